"""Command line of rule benchmark_names."""

from pathlib import Path

from clinragen.config.benchmark import Course
from clinragen.step import Out, run


def benchmark_names(
    courses: Path,
    labels: Path,
    samples: Path,
    phenotypes: Path,
    stop_words: Path,
    settings: Course,
    predictions: Out,
) -> None:
    """Predictions of whoever searches the hospital course for the names of the phenotypes."""
    from clinragen.benchmark.floor import predict_names
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES
    from clinragen.schemas.evaluate import PREDICTIONS

    tables = (COURSES.read(courses), LABELS.read(labels), SAMPLES.read(samples))
    found = predict_names(*tables, read_phenotypes(phenotypes), settings, read_stop_words(stop_words))
    PREDICTIONS.write(found, predictions)


if __name__ == "__main__":
    run(benchmark_names)
