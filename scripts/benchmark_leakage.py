"""Command line of rule benchmark_leakage."""

from pathlib import Path

from clinragen.config.benchmark import Course
from clinragen.step import SharedOut, run


def benchmark_leakage(
    courses: Path,
    labels: Path,
    samples: Path,
    phenotypes: Path,
    stop_words: Path,
    settings: Course,
    leakage: SharedOut,
) -> None:
    """How far the names of the phenotypes in the courses already diagnose."""
    from clinragen.benchmark.leakage import probe_leakage
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.schemas.benchmark import COURSES, LABELS, LEAKAGE, SAMPLES

    texts, known, chosen = COURSES.read(courses), LABELS.read(labels), SAMPLES.read(samples)
    names = read_phenotypes(phenotypes)
    LEAKAGE.write(probe_leakage(texts, known, chosen, names, settings, read_stop_words(stop_words)), leakage)


if __name__ == "__main__":
    run(benchmark_leakage)
