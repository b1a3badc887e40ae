"""Command line of rule train_backbone."""

from clinragen.config.student import Backbone
from clinragen.kernel.step import SharedOut, run


def train_backbone(settings: Backbone, backbone: SharedOut) -> None:
    """A language model and its tokenizer, from the model hub or a local folder."""
    from clinragen.train.backbone import fetch_backbone

    fetch_backbone(settings, backbone.path)


if __name__ == "__main__":
    run(train_backbone)
