"""Command line of rule train_backbone."""

from pathlib import Path

from clinragen.config.student import Backbone
from clinragen.step import Context, SharedOut, run


def train_backbone(context: Context, settings: Backbone, local: list[Path], backbone: SharedOut) -> None:
    """A language model and its tokenizer, from the model hub or from the files of a local folder."""
    from clinragen.train.backbone import fetch_backbone

    context.note(fetch_backbone(settings, local, backbone.path))


if __name__ == "__main__":
    run(train_backbone)
