"""Command line of rule train_backbone."""

from pathlib import Path

from clinragen.config.student import Backbone, Lengths
from clinragen.step import Context, SharedOut, run


def train_backbone(
    context: Context, settings: Backbone, local: list[Path], lengths: Lengths, backbone: SharedOut
) -> None:
    """Fetch a language model and its tokenizer from the model hub, or copy those of a local directory.

    UserError for one that cannot be trained, or has too few positions for the longest texts.
    """
    from clinragen.registry.hub import fetch_model
    from clinragen.registry.language_models import require_trainable

    facts = fetch_model(settings.source, settings.revision, local, backbone.path, "backbones", "backbones")
    require_trainable(backbone.path, settings.source, lengths)
    context.note(facts)


if __name__ == "__main__":
    run(train_backbone)
