"""Command line of rule extract_notes."""

from pathlib import Path

from clinragen.config.extract import Notes
from clinragen.step import Out, run


def extract_notes(
    raw: list[Path],
    raw_tables: Path,
    stays: Path,
    release: Path,
    dataset: str,
    settings: Notes,
    memory_limit_mb: int,
    threads: int,
    notes: Out,
    attrition: Out,
) -> None:
    """Select the discharge reports of the admissions of the cohort."""
    from clinragen.extract.layout import LAYOUTS
    from clinragen.extract.notes import select_notes
    from clinragen.extract.sources import RawTables
    from clinragen.schemas.extract import ATTRITION, NOTES, STAYS

    tables = RawTables.of_release(raw, dataset, raw_tables, release, memory_limit_mb, threads)
    with NOTES.writer(notes) as out:
        steps = select_notes(tables, LAYOUTS[dataset], STAYS.read(stays), settings, out.write)
    ATTRITION.write(steps, attrition)


if __name__ == "__main__":
    run(extract_notes)
