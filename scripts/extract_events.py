"""Command line of rule extract_events."""

from pathlib import Path

from clinragen.config.extract import Events
from clinragen.step import Out, run


def extract_events(
    raw: list[Path],
    raw_tables: Path,
    stays: Path,
    release: Path,
    items: Path,
    variables: Path,
    dataset: str,
    repairs: Events,
    memory_limit_mb: int,
    threads: int,
    events: Out,
    attrition: Out,
) -> None:
    """Select and clean the measurements of the 17 variables during the stays of the cohort."""
    from clinragen.extract.events import read_items, select_events
    from clinragen.extract.layout import LAYOUTS
    from clinragen.extract.sources import RawTables
    from clinragen.registry.variables import read_variables
    from clinragen.schemas.extract import ATTRITION, EVENTS, STAYS

    tables = RawTables.of_release(raw, dataset, raw_tables, release, memory_limit_mb, threads)
    with EVENTS.writer(events) as out:
        steps = select_events(
            tables,
            LAYOUTS[dataset],
            STAYS.read(stays),
            read_items(items, dataset, repairs.blood_only),
            read_variables(variables),
            repairs,
            out.write,
        )
    ATTRITION.write(steps, attrition)


if __name__ == "__main__":
    run(extract_events)
