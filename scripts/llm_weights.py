"""Command line of rule llm_weights."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def llm_weights(context: Context, model: str, revision: str, local: list[Path], weights: SharedOut) -> None:
    """Fetch a language model that jobs serve themselves, from the model hub or a local directory."""
    from clinragen.registry.hub import fetch_model

    context.note(fetch_model(model, revision, local, weights.path, "llms", "weights"))


if __name__ == "__main__":
    run(llm_weights)
