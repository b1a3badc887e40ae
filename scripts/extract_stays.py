"""Command line of rule extract_stays."""

from pathlib import Path

from clinragen.config.extract import Cohort
from clinragen.step import Out, SharedOut, run


def extract_stays(
    raw: list[Path],
    raw_tables: Path,
    dataset: str,
    release: str,
    cohort: Cohort,
    memory_limit_mb: int,
    threads: int,
    stays: Out,
    attrition: Out,
    counted: SharedOut,
) -> None:
    """Select the adult ICU stays without transfers, one per admission."""
    from clinragen.extract.layout import LAYOUTS
    from clinragen.extract.sources import RawTables
    from clinragen.extract.stays import check_release, select_stays
    from clinragen.schemas.extract import ATTRITION, RELEASE, STAYS

    tables = RawTables(raw, memory_limit_mb, threads).checked(dataset, raw_tables)
    RELEASE.write(check_release(tables, dataset, release, raw_tables), counted)
    chosen, steps = select_stays(tables, LAYOUTS[dataset], cohort)
    STAYS.write(chosen, stays)
    ATTRITION.write(steps, attrition)


if __name__ == "__main__":
    run(extract_stays)
