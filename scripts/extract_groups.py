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
    """Age, sex, care unit and insurance of the cohort, by which scores are compared."""
    from clinragen.extract.groups import select_groups
    from clinragen.extract.sources import RawTables
    from clinragen.schemas.discussion import GROUPS
    from clinragen.schemas.extract import RELEASE, STAYS

    tables = RawTables(raw, memory_limit_mb, threads).checked(dataset, raw_tables)
    tables.expect_release(dataset, RELEASE.read(release)["release"][0].as_py(), raw_tables)
    GROUPS.write(select_groups(tables, dataset, STAYS.read(stays)), groups)


if __name__ == "__main__":
    run(extract_groups)
