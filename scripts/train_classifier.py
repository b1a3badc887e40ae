"""Command line of rule train_classifier."""

from pathlib import Path

from clinragen.config.classifiers import Reader
from clinragen.config.train import Phase
from clinragen.model.files import ClassifierInputs
from clinragen.step import Context, Out, run
from clinragen.train.job import Setup


def train_classifier(
    context: Context,
    reader: Reader,
    encoder: Path | None,
    inputs: ClassifierInputs,
    phenotypes: Path,
    phase: Phase,
    setup: Setup,
    model: Out,
) -> None:
    """Train a classifier of the phenotypes that reads the series, or the beginning of the note."""
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.train.classifiers import train_classifier

    job = setup.job(inputs.files(), phase, context.fingerprint())
    names = read_phenotypes(phenotypes)
    training = train_classifier(job, reader, encoder, names, model.path)
    context.continues(training.earlier_seconds)
    context.after_commit(training.release)


if __name__ == "__main__":
    run(train_classifier)
