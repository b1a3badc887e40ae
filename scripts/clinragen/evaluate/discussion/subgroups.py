"""Micro F1 in groups of patients, and its difference from that of all other patients."""

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
    """Return the group of each stay by attribute (GROUPS); names shared by few patients become one group."""
    by_stay = {row["stay_id"]: row for row in groups.to_pylist()}
    of_stays = {}
    for attribute in ATTRIBUTES:
        values = [by_stay[stay][attribute] for stay in stays]
        of_stays[attribute] = [_age_group(v) for v in values] if attribute == "age" else _frequent(values, patients)
    return of_stays


def subgroups(true: np.ndarray, rows: Sequence[Row], of_stays: dict[str, list[str]], patients: Patients) -> list[dict]:
    """Return rows of DISCUSSION: micro F1 of each row in each group, without values for groups of few patients.

    `true` are booleans [samples, phenotypes]. If a group of an attribute is empty, so are enough others that it cannot
    be derived from the score of all.
    """
    scored = []
    for attribute, names in of_stays.items():
        groups = sorted(set(names), key=_order)
        members = np.array([[name == group for name in names] for group in groups])
        seen = shown_parts([patients.behind(group) for group in members])
        for row in rows:
            scored += _of_row(row, attribute, groups, members, seen, true, patients)
    return scored


def _of_row(
    row: Row,
    attribute: str,
    groups: Sequence[str],
    members: np.ndarray,
    seen: Sequence[bool],
    true: np.ndarray,
    patients: Patients,
) -> list[dict[str, Any]]:
    """Return F1 of each group and its difference from F1 of the others, from outcomes by group and run."""
    counts = outcomes(true, row.predicted)  # [samples, runs, 3]
    columns = members.T[:, :, None, None] * counts[:, None]
    shape = columns.shape[1:]

    def statistic(sums: np.ndarray) -> np.ndarray:
        summed = sums.reshape(len(sums), *shape)
        own, rest = f1_of(summed), f1_of(summed.sum(axis=1, keepdims=True) - summed)
        return np.concatenate([own.mean(axis=2), (own - rest).mean(axis=2)], axis=1)

    estimates = patients.estimate(columns.reshape(len(columns), -1), statistic)
    scored = []
    for n, group in enumerate(groups):
        about = {"question": "subgroups", "model": row.name, "group": f"{attribute}: {group}"}
        size = {"n": int(members[n].sum())}
        measures = {"micro F1": estimates[n]}
        if len(groups) > 1:
            measures["micro F1 minus the rest"] = estimates[n + len(groups)]
        for measure, estimate in measures.items():
            scored.append(about | {"measure": measure} | (estimate._asdict() | size if seen[n] else {}))
    return scored


def _age_group(age: float) -> str:
    return next(name for start, name in reversed(AGES) if age >= start)


def _frequent(values: Sequence[str], patients: Patients) -> list[str]:
    array = np.array(values)
    frequent = {name: enough(patients.behind(array == name)) for name in set(values)}
    return [name if frequent[name] else OTHERS for name in values]


def _order(group: str) -> tuple[bool, int, str]:
    ages = [name for _, name in AGES]
    return group == OTHERS, ages.index(group) if group in ages else 0, group
