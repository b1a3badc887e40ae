"""Command line of rule train_phase3."""

from pathlib import Path

from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.step import Context, Out, run


def train_phase3(
    context: Context,
    phase2: Path,
    labels: Path,
    notes: Path,
    targets: Path,
    series: list[Path],
    freeze_encoder: bool,
    phase: Phase,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Distil rationales from notes and labs together."""
    from clinragen.model.inputs import Files
    from clinragen.train import phases
    from clinragen.train.trainer import Job

    files = Files(labels, notes, targets, series)
    job = Job(files, phase, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    context.after_commit(phases.train_phase3(job, phase2, freeze_encoder, model.path))


if __name__ == "__main__":
    run(train_phase3)
