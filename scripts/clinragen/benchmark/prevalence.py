"""How often each phenotype occurs, beside the published benchmark."""

import csv
from pathlib import Path

import pyarrow as pa

from clinragen.benchmark.disclosure import shown
from clinragen.tables.benchmark import PREVALENCE


def compare_prevalence(counts: dict[str, int], stays: int, phenotypes: Path) -> pa.Table:
    """Prevalence per phenotype (PREVALENCE); `counts` are stays per phenotype among all `stays`."""
    with phenotypes.open(encoding="utf-8", newline="") as file:
        published = {row["phenotype"]: row for row in csv.DictReader(file)}
    rows = [
        {
            "phenotype": name,
            "stays": shown(count),
            "share": None if shown(count) is None else count / max(stays, 1),
            "benchmark_train": float(published[name]["train_prevalence"]),
            "benchmark_test": float(published[name]["test_prevalence"]),
        }
        for name, count in counts.items()
    ]
    return pa.Table.from_pylist(rows, schema=PREVALENCE.schema)
