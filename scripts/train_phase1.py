"""Command line of rule train_phase1."""

from pathlib import Path

from clinragen.config.student import Texts
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.step import Context, Out, run


def train_phase1(
    context: Context,
    backbone: Path,
    labels: Path,
    notes: Path,
    targets: Path,
    texts: Texts,
    phase: Phase,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Distil rationales from notes into the language model."""
    from clinragen.model.inputs import Files
    from clinragen.train import phases
    from clinragen.train.trainer import Job

    files = Files(labels, notes, targets, [])
    job = Job(files, phase, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    context.after_commit(phases.train_phase1(job, backbone, texts, model.path))


if __name__ == "__main__":
    run(train_phase1)
