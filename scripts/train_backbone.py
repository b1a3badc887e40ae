"""Command line of rule train_backbone."""

from pathlib import Path

from clinragen.config.student import Backbone
from clinragen.step import Context, SharedOut, run


def train_backbone(context: Context, settings: Backbone, local: list[Path], backbone: SharedOut) -> None:
    """A language model and its tokenizer, from the model hub or from the files of a local folder."""
    from clinragen.registry.hub import fetch_model

    context.note(fetch_model(settings.source, settings.revision, local, backbone.path, "backbones", "backbones"))


if __name__ == "__main__":
    run(train_backbone)
