"""Micro F1 of groups of patients, and its difference to that of all others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.disclosure import enough, shown_parts
from clinragen.evaluate.discussion.resample import Patients
from clinragen.evaluate.discussion.scores import Row, f1_of, outcomes

AGES = ((0, "under 45"), (45, "45 to 64"), (65, "65 to 79"), (80, "80 and older"))
OTHERS = "other or unknown"
ATTRIBUTES = ("age", "sex", "unit", "insurance")


def groups_of(groups: pa.Table, stays: Sequence[int], patients: Patients) -> dict[str, list[str]]:
    """The group of each of the stays by attribute (GROUPS); names that few patients have become one group."""
    by_stay = {row["stay_id"]: row for row in groups.to_pylist()}
    found = {}
    for attribute in ATTRIBUTES:
        values = [by_stay[stay][attribute] for stay in stays]
        found[attribute] = [_age_group(v) for v in values] if attribute == "age" else _frequent(values, patients)
    return found


def subgroups(true: np.ndarray, rows: Sequence[Row], of_stays: dict[str, list[str]], patients: Patients) -> list[dict]:
    """Rows of DISCUSSION: micro F1 of each row in each group; empty for groups of few patients.

    `true` are booleans [samples, phenotypes]; of the groups of an attribute so many are empty that none follows from
    the score of all.
    """
    found = []
    for attribute, names in of_stays.items():
        groups = sorted(set(names), key=_order)
        members = np.array([[name == group for name in names] for group in groups])
        seen = shown_parts([patients.behind(group) for group in members])
        for row in rows:
            found += _of_row(row, attribute, groups, members, seen, true, patients)
    return found


def _of_row(
    row: Row,
    attribute: str,
    groups: Sequence[str],
    members: np.ndarray,
    seen: Sequence[bool],
    true: np.ndarray,
    patients: Patients,
) -> list[dict[str, Any]]:
    """Sums of outcomes [samples, groups x runs x 3] turned into F1 of each group, and that minus F1 of the others."""
    counts = outcomes(true, row.predicted)  # [samples, runs, 3]
    columns = members.T[:, :, None, None] * counts[:, None]
    shape = columns.shape[1:]

    def statistic(sums: np.ndarray) -> np.ndarray:
        summed = sums.reshape(len(sums), *shape)
        own, rest = f1_of(summed), f1_of(summed.sum(axis=1, keepdims=True) - summed)
        return np.concatenate([own.mean(axis=2), (own - rest).mean(axis=2)], axis=1)

    estimates = patients.estimate(columns.reshape(len(columns), -1), statistic)
    found = []
    for n, group in enumerate(groups):
        about = {"question": "subgroups", "model": row.name, "group": f"{attribute}: {group}"}
        size = {"n": int(members[n].sum())}
        measures = {"micro F1": estimates[n]}
        if len(groups) > 1:
            measures["micro F1 minus the rest"] = estimates[n + len(groups)]
        for measure, estimate in measures.items():
            found.append(about | {"measure": measure} | (estimate._asdict() | size if seen[n] else {}))
    return found


def _age_group(age: float) -> str:
    return next(name for start, name in reversed(AGES) if age >= start)


def _frequent(values: Sequence[str], patients: Patients) -> list[str]:
    array = np.array(values)
    frequent = {name: enough(patients.behind(array == name)) for name in set(values)}
    return [name if frequent[name] else OTHERS for name in values]


def _order(group: str) -> tuple[bool, int, str]:
    ages = [name for _, name in AGES]
    return group == OTHERS, ages.index(group) if group in ages else 0, group
