"""Command line of rule demo_backbone."""

from pathlib import Path

from clinragen.config.student import Lengths
from clinragen.step import Context, SharedOut, run


def demo_backbone(
    context: Context,
    texts: list[Path],
    evidence: Path,
    lessons: int,
    seed: int,
    shape: str,
    lengths: Lengths,
    backbone: SharedOut,
) -> None:
    """Write a tiny language model in the shape of a real one, trained on sentences about lab findings."""
    from clinragen.demo.evidence import read_evidence
    from clinragen.demo.lessons import compose_lessons
    from clinragen.demo.tiny_student import build_student
    from clinragen.registry.language_models import require_trainable
    from clinragen.registry.snapshot import write_source

    context.stand_in("tiny language model")
    lines = [line for path in [*texts, evidence] for line in path.read_text(encoding="utf-8").splitlines()]
    build_student(lines, compose_lessons(read_evidence(evidence), lessons, seed), backbone.path, seed, shape)
    write_source(backbone.path, {"source": shape, "revision": f"seed {seed}"})
    require_trainable(backbone.path, shape, lengths)


if __name__ == "__main__":
    run(demo_backbone)
