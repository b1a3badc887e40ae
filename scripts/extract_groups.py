"""Command line of rule extract_groups."""

from pathlib import Path

from clinragen.step import Out, run


def extract_groups(
    raw: list[Path],
    raw_tables: Path,
    stays: Path,
    release: Path,
    dataset: str,
    memory_limit_mb: int,
    threads: int,
    groups: Out,
) -> None:
    """Write age, sex, care unit and insurance of the cohort, by which scores are compared."""
    from clinragen.extract.groups import select_groups
    from clinragen.extract.layout import LAYOUTS
    from clinragen.extract.sources import RawTables
    from clinragen.schemas.discussion import GROUPS
    from clinragen.schemas.extract import STAYS

    tables = RawTables.of_release(raw, dataset, raw_tables, release, memory_limit_mb, threads)
    GROUPS.write(select_groups(tables, LAYOUTS[dataset], STAYS.read(stays)), groups)


if __name__ == "__main__":
    run(extract_groups)
