"""Command line of rule train_text_encoder."""

from pathlib import Path

from clinragen.config.student import TextEncoder
from clinragen.step import Context, SharedOut, run


def train_text_encoder(context: Context, settings: TextEncoder, local: list[Path], encoder: SharedOut) -> None:
    """A text encoder and its tokenizer, from the model hub or from the files of a local folder.

    One of another kind than BERT is refused.
    """
    from clinragen.registry.hub import fetch_model
    from clinragen.registry.text_encoders import require_encoder

    facts = fetch_model(settings.source, settings.revision, local, encoder.path, "encoders", "backbones")
    require_encoder(encoder.path, settings.source)
    context.note(facts)


if __name__ == "__main__":
    run(train_text_encoder)
