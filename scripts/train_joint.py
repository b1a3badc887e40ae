"""Command line of rule train_joint."""

from clinragen.config.train import Phase
from clinragen.step import Context, Out, run
from clinragen.train.job import OneStage, Setup


def train_joint(context: Context, stage: OneStage, phase: Phase, setup: Setup, model: Out) -> None:
    """Distil rationales, or diagnoses alone, into all parts of a model at once."""
    from clinragen.train import phases

    job = setup.job(stage.files(stage.targets), phase, context.fingerprint())
    training = phases.train_joint(job, stage, model.path)
    context.continues(training.earlier_seconds)
    context.after_commit(training.release)


if __name__ == "__main__":
    run(train_joint)
