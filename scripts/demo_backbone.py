"""Command line of rule demo_backbone."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def demo_backbone(context: Context, texts: list[Path], seed: int, backbone: SharedOut) -> None:
    """A random language model in the shape of Flan-T5, its tokenizer trained on the authored texts."""
    from clinragen.demo.tiny_student import build_student

    context.stand_in("tiny random language model")
    build_student(
        [line for path in texts for line in path.read_text(encoding="utf-8").splitlines()], backbone.path, seed
    )


if __name__ == "__main__":
    run(demo_backbone)
