"""Command line of rule train_classifier."""

from pathlib import Path

from clinragen.config.classifiers import Reader
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.step import Context, Out, run


def train_classifier(
    context: Context,
    reader: Reader,
    encoder: list[Path],
    samples: Path,
    labels: Path,
    notes: list[Path],
    series: list[Path],
    phenotypes: Path,
    phase: Phase,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Train a classifier of the phenotypes that reads the series, or the beginning of the note."""
    from clinragen.model.inputs import Files
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.train.classifiers import train_classifier
    from clinragen.train.trainer import Job

    files = Files(labels, next(iter(notes), None), None, series, samples=samples)
    job = Job(files, phase, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    known = read_phenotypes(phenotypes)
    context.after_commit(train_classifier(job, reader, next(iter(encoder), None), known, model.path))


if __name__ == "__main__":
    run(train_classifier)
