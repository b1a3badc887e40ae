"""Command line of rule benchmark_split."""

from pathlib import Path

from clinragen.config.benchmark import Split
from clinragen.step import Out, run


def benchmark_split(stays: Path, lists: list[Path], settings: Split, split: Out, attrition: Out) -> None:
    """Assign every stay to a split by patient: by the default rule, or by the user's lists."""
    from clinragen.benchmark.split import split_stays
    from clinragen.schemas.benchmark import SPLIT
    from clinragen.schemas.extract import ATTRITION, STAYS

    table, steps = split_stays(STAYS.read(stays, columns=("stay_id", "subject_id", "hadm_id")), settings, lists)
    SPLIT.write(table, split)
    ATTRITION.write(steps, attrition)


if __name__ == "__main__":
    run(benchmark_split)
