"""Command line of rule train_lora."""

from pathlib import Path

from clinragen.config.student import Parts, Texts
from clinragen.config.train import Launch, Lora, Optimizer
from clinragen.step import Context, Out, run


def train_lora(
    context: Context,
    backbone: Path,
    vocabulary: list[Path],
    labels: Path,
    notes: Path,
    captions: list[Path],
    features: list[Path],
    series: list[Path],
    targets: Path,
    texts: Texts,
    parts: Parts,
    lora: Lora,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Distil rationales, or diagnoses alone, into adapters of a language model whose own weights stay as they are."""
    from clinragen.model.inputs import Files
    from clinragen.train import phases
    from clinragen.train.trainer import Job

    files = Files(labels, notes, targets, series, next(iter(captions), None), next(iter(features), None))
    job = Job(files, lora, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    new = phases.New(parts, next(iter(vocabulary), None))
    context.after_commit(phases.train_lora(job, backbone, texts, new, lora, model.path))


if __name__ == "__main__":
    run(train_lora)
