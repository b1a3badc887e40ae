"""Command line of rule benchmark_samples."""

from pathlib import Path

from clinragen.step import Out, SharedOut, run

COUNTS = ("stays", "admissions", "subjects", "rows")


def benchmark_samples(
    split: Path, events: Path, labels: Path, courses: Path, attrition: list[Path], samples: Out, total: SharedOut
) -> None:
    """Select the stays with measurements, a diagnosis and a hospital course; join all attrition tables."""
    import pyarrow

    from clinragen.benchmark.samples import select_samples
    from clinragen.disclosure import hide_small_counts
    from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES, SPLIT
    from clinragen.schemas.extract import ATTRITION, EVENTS

    conditions = {
        "with a measurement during the stay": EVENTS.read(events, columns=("stay_id",)),
        "with a billing code": LABELS.read(labels, columns=("stay_id",)),
        "with a hospital course": COURSES.read(courses, columns=("stay_id",)),
    }
    table, steps = select_samples(SPLIT.read(split), {name: t["stay_id"] for name, t in conditions.items()})
    SAMPLES.write(table, samples)
    everything = pyarrow.concat_tables([*(ATTRITION.read(a) for a in attrition), steps])
    ATTRITION.write(hide_small_counts(everything, COUNTS, patients="subjects"), total)


if __name__ == "__main__":
    run(benchmark_samples)
