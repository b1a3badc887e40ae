"""Command line of rule train_joint."""

from pathlib import Path

from clinragen.config.student import Parts, Texts
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.step import Context, Out, run


def train_joint(
    context: Context,
    backbone: Path,
    vocabulary: list[Path],
    text_encoder: list[Path],
    labels: Path,
    notes: Path,
    captions: list[Path],
    features: list[Path],
    series: list[Path],
    targets: Path,
    texts: Texts,
    parts: Parts,
    phase: Phase,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Distil rationales, or diagnoses alone, into all parts of a model at once."""
    from clinragen.model.inputs import Files
    from clinragen.train import phases
    from clinragen.train.trainer import Job

    files = Files(labels, notes, targets, series, next(iter(captions), None), next(iter(features), None))
    job = Job(files, phase, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    new = phases.New(parts, next(iter(vocabulary), None), next(iter(text_encoder), None))
    context.after_commit(phases.train_joint(job, backbone, texts, new, model.path))


if __name__ == "__main__":
    run(train_joint)
