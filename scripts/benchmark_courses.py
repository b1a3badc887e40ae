"""Command line of rule benchmark_courses."""

from pathlib import Path

from clinragen.config.benchmark import Course
from clinragen.kernel.step import Out, SharedOut, run


def benchmark_courses(notes: Path, stop_words: Path, settings: Course, courses: Out, headings: SharedOut) -> None:
    """Cleaned hospital course of every stay that has one."""
    from clinragen.benchmark.course import read_stop_words, select_courses
    from clinragen.tables.benchmark import COURSES, HEADINGS
    from clinragen.tables.extract import NOTES

    table, found = select_courses(NOTES.read(notes), settings, read_stop_words(stop_words))
    COURSES.write(table, courses.path)
    HEADINGS.write(found, headings.path)


if __name__ == "__main__":
    run(benchmark_courses)
