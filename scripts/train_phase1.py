"""Command line of rule train_phase1."""

from pathlib import Path

from clinragen.config.student import Texts
from clinragen.config.train import Phase
from clinragen.model.files import Files
from clinragen.step import Context, Out, run
from clinragen.train.job import Setup


def train_phase1(
    context: Context,
    backbone: Path,
    labels: Path,
    notes: Path,
    targets: Path,
    texts: Texts,
    phase: Phase,
    setup: Setup,
    model: Out,
) -> None:
    """Distil rationales from notes into the language model."""
    from clinragen.train import phases

    job = setup.job(Files(labels, notes, targets, []), phase, context.fingerprint())
    training = phases.train_phase1(job, backbone, texts, model.path)
    context.continues(training.earlier_seconds)
    context.after_commit(training.release)


if __name__ == "__main__":
    run(train_phase1)
