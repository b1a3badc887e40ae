"""Command line of rule train_joint."""

from pathlib import Path

from clinragen.config.student import Texts
from clinragen.config.train import Phase
from clinragen.model.files import StudentInputs
from clinragen.step import Context, Out, run
from clinragen.train.job import NewParts, Setup


def train_joint(
    context: Context,
    start: Path,
    inputs: StudentInputs,
    targets: Path,
    new: NewParts,
    texts: Texts,
    phase: Phase,
    setup: Setup,
    model: Out,
) -> None:
    """Distil rationales, or diagnoses alone, into all parts of a model at once."""
    from clinragen.train import phases

    job = setup.job(inputs.files(targets), phase, context.fingerprint())
    context.after_commit(phases.train_joint(job, start, texts, new, model.path))


if __name__ == "__main__":
    run(train_joint)
