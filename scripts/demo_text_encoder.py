"""Command line of rule demo_text_encoder."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def demo_text_encoder(context: Context, texts: list[Path], seed: int, encoder: SharedOut) -> None:
    """Write a tiny text encoder in the shape of a BERT, with random weights."""
    from clinragen.demo.tiny_encoder import build_encoder
    from clinragen.registry.text_encoders import require_encoder

    context.stand_in("tiny text encoder")
    lines = [line for path in texts for line in path.read_text(encoding="utf-8").splitlines()]
    build_encoder(lines, encoder.path, seed)
    require_encoder(encoder.path, "tiny-bert")


if __name__ == "__main__":
    run(demo_text_encoder)
