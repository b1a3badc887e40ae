"""Command line of rule train_lora."""

from clinragen.config.train import Lora
from clinragen.step import Context, Out, run
from clinragen.train.job import OneStage, Setup


def train_lora(context: Context, stage: OneStage, phase: Lora, setup: Setup, model: Out) -> None:
    """Distil rationales, or diagnoses alone, into adapters of a language model with frozen weights."""
    from clinragen.train import phases

    job = setup.job(stage.files(stage.targets), phase, context.fingerprint())
    training = phases.train_lora(job, stage, phase, model.path)
    context.continues(training.earlier_seconds)
    context.after_commit(training.release)


if __name__ == "__main__":
    run(train_lora)
