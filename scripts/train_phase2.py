"""Command line of rule train_phase2."""

from pathlib import Path

from clinragen.config.student import Fusion
from clinragen.config.train import Phase
from clinragen.model.files import Files
from clinragen.step import Context, Out, run
from clinragen.train.job import Setup


def train_phase2(
    context: Context,
    phase1: Path,
    vocabulary: Path,
    labels: Path,
    targets: Path,
    series: list[Path],
    fusion: Fusion,
    steps: int,
    instruction: bool,
    phase: Phase,
    setup: Setup,
    model: Out,
) -> None:
    """Distil rationales from labs through the knowledge-augmented attention."""
    from clinragen.train import phases

    job = setup.job(Files(labels, None, targets, series), phase, context.fingerprint())
    training = phases.train_phase2(job, phase1, fusion, steps, vocabulary, instruction, model.path)
    context.continues(training.earlier_seconds)
    context.after_commit(training.release)


if __name__ == "__main__":
    run(train_phase2)
