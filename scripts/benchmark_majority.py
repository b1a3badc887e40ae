"""Command line of rule benchmark_majority."""

from pathlib import Path

from clinragen.step import Out, run


def benchmark_majority(labels: Path, samples: Path, phenotypes: Path, predictions: Out) -> None:
    """Predict the most frequent phenotypes for every test stay."""
    from clinragen.benchmark.floor import predict_majority
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.benchmark import LABELS, SAMPLES
    from clinragen.schemas.predictions import PREDICTIONS

    labelled, sample_rows = LABELS.read(labels), SAMPLES.read(samples)
    PREDICTIONS.write(predict_majority(labelled, sample_rows, read_phenotypes(phenotypes)), predictions)


if __name__ == "__main__":
    run(benchmark_majority)
