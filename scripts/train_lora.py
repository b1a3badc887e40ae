"""Command line of rule train_lora."""

from pathlib import Path

from clinragen.config.student import Texts
from clinragen.config.train import Lora
from clinragen.model.files import StudentInputs
from clinragen.step import Context, Out, run
from clinragen.train.job import NewParts, Setup


def train_lora(
    context: Context,
    start: Path,
    inputs: StudentInputs,
    targets: Path,
    new: NewParts,
    texts: Texts,
    phase: Lora,
    setup: Setup,
    model: Out,
) -> None:
    """Distil rationales, or diagnoses alone, into adapters of a language model with frozen weights."""
    from clinragen.train import phases

    job = setup.job(inputs.files(targets), phase, context.fingerprint())
    context.after_commit(phases.train_lora(job, start, texts, new, phase, model.path))


if __name__ == "__main__":
    run(train_lora)
