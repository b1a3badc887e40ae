"""Command line of rule benchmark_courses."""

from collections.abc import Iterator
from pathlib import Path

from clinragen.config.benchmark import Course
from clinragen.step import Out, SharedOut, run


def benchmark_courses(
    notes: Path, stays: Path, stop_words: Path, settings: Course, courses: Out, headings: SharedOut
) -> None:
    """Cut out and clean the hospital course of every stay that has one."""
    from clinragen.benchmark.course import select_courses
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.runtime.progress import Progress
    from clinragen.schemas.benchmark import COURSES, HEADINGS
    from clinragen.schemas.extract import NOTES, STAYS

    cohort = STAYS.read(stays, columns=("stay_id", "subject_id")).to_pylist()
    patients = {row["stay_id"]: row["subject_id"] for row in cohort}
    # A few notes at a time: all of them as Python objects are several gigabytes.
    with Progress("notes") as bar:

        def rows() -> Iterator[dict]:
            for batch in NOTES.read_batches(notes, NOTES.schema.names, rows=1000):
                yield from batch.to_pylist()
                bar.advance(batch.num_rows)

        table, headings_used = select_courses(rows(), patients, settings, read_stop_words(stop_words))
    COURSES.write(table, courses)
    HEADINGS.write(headings_used, headings)


if __name__ == "__main__":
    run(benchmark_courses)
