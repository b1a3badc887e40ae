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
    """Billing codes of the admissions of the cohort."""
    from clinragen.extract.diagnoses import select_diagnoses
    from clinragen.extract.sources import RawTables
    from clinragen.schemas.extract import ATTRITION, DIAGNOSES, RELEASE, STAYS

    tables = RawTables(raw, memory_limit_mb, threads).checked(dataset, raw_tables)
    tables.expect_release(dataset, RELEASE.read(release)["release"][0].as_py(), raw_tables)
    chosen, steps = select_diagnoses(tables, dataset, STAYS.read(stays), repairs)
    DIAGNOSES.write(chosen, diagnoses)
    ATTRITION.write(steps, attrition)


if __name__ == "__main__":
    run(extract_diagnoses)
