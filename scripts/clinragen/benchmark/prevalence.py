"""How often each phenotype occurs, compared with the published benchmark."""

import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa

from clinragen.disclosure import all_shown
from clinragen.schemas.benchmark import PREVALENCE


def compare_prevalence(labels: pa.Table, stays: pa.Table, phenotypes: Path) -> pa.Table:
    """Return the prevalence per phenotype (PREVALENCE) among the stays with a billing code.

    A row is hidden if few patients have the phenotype, or few lack it; a patient may have several stays.
    """
    with phenotypes.open(encoding="utf-8", newline="") as file:
        published = {row["phenotype"]: row for row in csv.DictReader(file)}
    patient_of = dict(zip(stays["stay_id"].to_pylist(), stays["subject_id"].to_pylist(), strict=True))
    counts: Counter[str] = Counter()
    having: dict[str, set[int]] = {name: set() for name in published}
    lacking: dict[str, set[int]] = {name: set() for name in published}
    for stay, names in zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True):
        counts.update(names)
        for name in published:
            (having if name in names else lacking)[name].add(patient_of[stay])
    rows = [
        {
            "phenotype": name,
            "stays": None if hidden else counts[name],
            "share": None if hidden else counts[name] / max(labels.num_rows, 1),
            "benchmark_train": float(row["train_prevalence"]),
            "benchmark_test": float(row["test_prevalence"]),
        }
        for name, row in published.items()
        for hidden in [not all_shown((len(having[name]), len(lacking[name])))]
    ]
    return pa.Table.from_pylist(rows, schema=PREVALENCE.schema)
