"""Command line of rule train_phase3."""

from pathlib import Path

from clinragen.config.train import Phase
from clinragen.model.files import Files
from clinragen.step import Context, Out, run
from clinragen.train.job import Setup


def train_phase3(
    context: Context,
    phase2: Path,
    labels: Path,
    notes: Path,
    targets: Path,
    series: list[Path],
    freeze_encoder: bool,
    phase: Phase,
    setup: Setup,
    model: Out,
) -> None:
    """Distil rationales from notes and labs together."""
    from clinragen.train import phases

    job = setup.job(Files(labels, notes, targets, series), phase, context.fingerprint())
    training = phases.train_phase3(job, phase2, freeze_encoder, model.path)
    context.continues(training.earlier_seconds)
    context.after_commit(training.release)


if __name__ == "__main__":
    run(train_phase3)
