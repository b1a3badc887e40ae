"""Command line of rule extract_diagnoses."""

from pathlib import Path

from clinragen.config.extract import Diagnoses
from clinragen.step import Out, run


def extract_diagnoses(
    raw: list[Path],
    raw_tables: Path,
    stays: Path,
    release: Path,
    dataset: str,
    repairs: Diagnoses,
    memory_limit_mb: int,
    threads: int,
    diagnoses: Out,
    attrition: Out,
) -> None:
    """Select the billing codes of the admissions of the cohort."""
    from clinragen.extract.diagnoses import select_diagnoses
    from clinragen.extract.layout import LAYOUTS
    from clinragen.extract.sources import RawTables
    from clinragen.schemas.extract import ATTRITION, DIAGNOSES, STAYS

    tables = RawTables.of_release(raw, dataset, raw_tables, release, memory_limit_mb, threads)
    chosen, steps = select_diagnoses(tables, LAYOUTS[dataset], STAYS.read(stays), repairs)
    DIAGNOSES.write(chosen, diagnoses)
    ATTRITION.write(steps, attrition)


if __name__ == "__main__":
    run(extract_diagnoses)
