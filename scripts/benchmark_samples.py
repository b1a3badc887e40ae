"""Command line of rule benchmark_samples."""

from pathlib import Path

from clinragen.config.benchmark import Split
from clinragen.kernel.step import Out, SharedOut, run


def benchmark_samples(
    stays: Path, events: Path, courses: Path, attrition: list[Path], split: Split, samples: Out, total: SharedOut
) -> None:
    """Stays with measurements and a hospital course, in their parts, and the whole attrition."""
    import pyarrow

    from clinragen.benchmark.disclosure import hide_small_counts
    from clinragen.benchmark.samples import select_samples
    from clinragen.tables.benchmark import COURSES, SAMPLES
    from clinragen.tables.extract import ATTRITION, EVENTS, STAYS

    measured = EVENTS.read(events, columns=("stay_id",))
    table, steps = select_samples(STAYS.read(stays), measured, COURSES.read(courses, columns=("stay_id",)), split)
    SAMPLES.write(table, samples.path)
    everything = pyarrow.concat_tables([*(ATTRITION.read(a) for a in attrition), steps])
    ATTRITION.write(hide_small_counts(everything, ("stays", "admissions", "subjects", "rows")), total.path)


if __name__ == "__main__":
    run(benchmark_samples)
