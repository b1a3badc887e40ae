"""Command line of rule extract_features."""

from pathlib import Path

from clinragen.step import Out, run


def extract_features(
    raw: list[Path],
    raw_tables: Path,
    stays: Path,
    release: Path,
    dataset: str,
    memory_limit_mb: int,
    threads: int,
    features: Out,
) -> None:
    """Write age, sex and type of admission of the cohort."""
    from clinragen.extract.features import select_features
    from clinragen.extract.sources import RawTables
    from clinragen.schemas.extract import FEATURES, STAYS

    tables = RawTables.of_release(raw, dataset, raw_tables, release, memory_limit_mb, threads)
    FEATURES.write(select_features(tables, STAYS.read(stays)), features)


if __name__ == "__main__":
    run(extract_features)
