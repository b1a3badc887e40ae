"""Label leakage: how well phenotype names in the hospital course predict the labels."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from clinragen.benchmark.names import NameSearch
from clinragen.disclosure import FEWEST_HIDDEN, all_shown
from clinragen.schemas.leakage import LEAKAGE

MEASURES = ("recall", "others_named", "precision", "f1")
Kind = tuple[bool, bool]
# The cells of a fourfold table: whether a stay has the label, and whether its course names it.
KINDS: tuple[Kind, ...] = ((True, True), (True, False), (False, True), (False, False))


def probe_leakage(courses: pa.Table, labels: pa.Table, samples: pa.Table, search: NameSearch) -> pa.Table:
    """Compare the phenotypes that the courses of all samples name with their labels (LEAKAGE)."""
    labelled = dict(zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True))
    patients = dict(zip(samples["stay_id"].to_pylist(), samples["subject_id"].to_pylist(), strict=True))
    cells: dict[str, dict[Kind, list[int]]] = {name: {kind: [] for kind in KINDS} for name in search.phenotypes}
    for batch in courses.select(["stay_id", "text"]).to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            if row["stay_id"] in patients:
                named = search.named_in(row["text"])
                for name, of_name in cells.items():
                    of_name[name in labelled[row["stay_id"]], name in named].append(row["stay_id"])
    return pa.Table.from_pylist(_rows(cells, patients), schema=LEAKAGE.schema)


def _rows(cells: dict[str, dict[Kind, list[int]]], patients: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return a row per phenotype and the two averages; cells that would reveal few patients are empty."""

    def people(*parts: list[int]) -> int:
        return len({patients[stay] for part in parts for stay in part})

    counts = {name: {kind: len(stays) for kind, stays in of_kind.items()} for name, of_kind in cells.items()}
    rows: dict[str, dict[str, Any]] = {
        name: {"phenotype": name, "stays": _labelled(of_kind), **measures(of_kind)} for name, of_kind in counts.items()
    }
    pooled = {kind: sum(of_kind[kind] for of_kind in counts.values()) for kind in KINDS}
    micro: dict[str, Any] = {"phenotype": "micro", "stays": _labelled(pooled), **measures(pooled)}
    macro: dict[str, Any] = {"phenotype": "macro"}
    macro |= {m: sum(row[m] for row in rows.values()) / max(len(rows), 1) for m in MEASURES}

    having = {name: people(of_kind[True, True], of_kind[True, False]) for name, of_kind in cells.items()}
    lacking = {name: people(of_kind[False, True], of_kind[False, False]) for name, of_kind in cells.items()}
    for name, row in rows.items():
        if not all_shown((having[name], lacking[name])):
            row["stays"] = micro["stays"] = None
    # Every cell of the fourfold table follows from the four measures and the number of stays.
    hidden = {name for name, of_kind in cells.items() if not all_shown(map(people, of_kind.values()))}
    if hidden:
        others = sorted(cells.keys() - hidden, key=lambda name: (having[name], name))
        hidden.update(others[: max(0, FEWEST_HIDDEN - len(hidden))])
    for name in hidden:
        rows[name].update(dict.fromkeys(MEASURES))
    if not all_shown(people(*(cells[name][kind] for name in hidden)) for kind in KINDS):
        for row in (micro, macro):
            row.update(dict.fromkeys(MEASURES))
    return [*rows.values(), micro, macro]


def _labelled(counts: Mapping[Kind, int]) -> int:
    return counts[True, True] + counts[True, False]


def measures(counts: Mapping[Kind, int]) -> dict[str, float]:
    """Return the measures from the numbers of stays by (has the label, is named); 0 where the divisor is 0."""
    hit, missed, false = counts[True, True], counts[True, False], counts[False, True]

    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    return {
        "recall": share(hit, hit + missed),
        "others_named": share(false, false + counts[False, False]),
        "precision": share(hit, hit + false),
        "f1": share(2 * hit, 2 * hit + missed + false),
    }
