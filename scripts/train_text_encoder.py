"""Command line of rule train_text_encoder."""

from pathlib import Path

from clinragen.config.student import TextEncoder
from clinragen.step import Context, SharedOut, run


def train_text_encoder(context: Context, settings: TextEncoder, local: list[Path], encoder: SharedOut) -> None:
    """Fetch a text encoder and its tokenizer from the model hub, or copy those of a local directory.

    UserError for one of an unsupported kind.
    """
    from clinragen.registry.hub import fetch_model
    from clinragen.registry.text_encoders import require_encoder

    facts = fetch_model(settings.source, settings.revision, local, encoder.path, "encoders", "backbones")
    require_encoder(encoder.path, settings.source)
    context.note(facts)


if __name__ == "__main__":
    run(train_text_encoder)
