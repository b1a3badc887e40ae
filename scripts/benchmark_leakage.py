"""Command line of rule benchmark_leakage."""

from pathlib import Path

from clinragen.config.benchmark import Course
from clinragen.step import Out, SharedOut, run


def benchmark_leakage(
    courses: Path,
    labels: Path,
    samples: Path,
    phenotypes: Path,
    stop_words: Path,
    settings: Course,
    leakage: SharedOut,
    predictions: Out,
) -> None:
    """Compare the names of the phenotypes in the courses with the labels, and write them as predictions."""
    from clinragen.benchmark.floor import predict_names
    from clinragen.benchmark.leakage import probe_leakage
    from clinragen.benchmark.names import NameSearch
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES
    from clinragen.schemas.leakage import LEAKAGE
    from clinragen.schemas.predictions import PREDICTIONS

    tables = (COURSES.read(courses), LABELS.read(labels), SAMPLES.read(samples))
    search = NameSearch(read_phenotypes(phenotypes), settings, read_stop_words(stop_words))
    LEAKAGE.write(probe_leakage(*tables, search), leakage)
    PREDICTIONS.write(predict_names(*tables, search), predictions)


if __name__ == "__main__":
    run(benchmark_leakage)
