"""Planted evidence: does a student read its inputs?

The synthetic cohort plants the evidence of each phenotype in the notes, in the labs, in both or in neither. A model
that reads the labs finds phenotypes that only they show, and misses them if each stay gets the series of another one.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.means import Measure, estimate, share
from clinragen.model.target_codec import parse_output

GROUPS = ("labs", "both", "notes", "neither", "all")
AS_IS, SERIES, NOTES, LABELS = "as is", "series shuffled", "notes shuffled", "labels shuffled"
CONDITIONS = (AS_IS, SERIES, NOTES, LABELS)


def group_scores(
    predictions: Mapping[str, pa.Table], channels: Mapping[str, str], patients: np.ndarray, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Return micro F1 with its interval by group and condition of one run (columns of PLANTED).

    `predictions` (PREDICTIONS) are by condition, except for shuffled labels; `channels` says where the evidence of each
    phenotype is; `patients` [stays] has the patient of each row. For shuffled labels, F1 comes from the mean number of
    hits over all orders of the labels: chance.
    """
    measures: dict[tuple[str, str], Measure] = {}
    for group in GROUPS:
        of_group = [name for name, channel in channels.items() if group in (channel, "all")]
        measures |= {(group, condition): _matched(table, of_group) for condition, table in predictions.items()}
        measures[group, LABELS] = _by_chance(predictions[AS_IS], of_group)
    values = dict(zip(measures, estimate(list(measures.values()), patients, bootstrap), strict=True))
    return [
        {
            "group": group,
            "condition": condition,
            "f1": _rounded(values[group, condition].value),
            "low": _rounded(values[group, condition].low),
            "high": _rounded(values[group, condition].high),
            "samples": len(patients),
        }
        for group in GROUPS
        for condition in CONDITIONS
    ]


def _matched(table: pa.Table, of_group: list[str]) -> Measure:
    """Return F1 of the phenotypes of a group from the hits, and the predicted plus true phenotypes, of each stay."""
    predicted, true = (_named(table, column, of_group) for column in ("predicted", "true"))
    counts = np.stack([(predicted & true).sum(axis=1), predicted.sum(axis=1) + true.sum(axis=1)], axis=-1)
    return Measure(counts[None], lambda sums: _f1(sums[..., 0], sums[..., 1]))


def _by_chance(table: pa.Table, of_group: list[str]) -> Measure:
    """Return F1 with the hits that are expected if the labels are given to the stays in any order."""
    predicted, true = (_named(table, column, of_group) for column in ("predicted", "true"))
    number = len(of_group)

    def f1(sums: np.ndarray) -> np.ndarray:
        hits = (sums[..., :number] * sums[..., number:-1]).sum(axis=-1) / sums[..., -1]
        return _f1(hits, sums[..., :-1].sum(axis=-1))

    return Measure(np.column_stack([predicted, true, np.ones(len(predicted), int)])[None], f1)


def _named(table: pa.Table, column: str, names: list[str]) -> np.ndarray:
    """Return whether each stay has each name in a column [stays, names]."""
    lists = table[column].to_pylist()
    return np.array([[name in listed for name in names] for listed in lists], dtype=bool).reshape(-1, len(names))


def _f1(hits: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Return F1, 0 where no phenotype is predicted or true."""
    return np.where(named > 0, 2 * hits / np.maximum(named, 1), 0.0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def statement_scores(
    predictions: Mapping[str, pa.Table],
    captions: Mapping[int, str],
    variables: list[str],
    patients: np.ndarray,
    bootstrap: Bootstrap,
) -> list[dict[str, Any]]:
    """Count the statements of the generated lab rationales that hold for the stay's own series (columns of STATEMENTS).

    A statement is a variable with a direction. It holds if the captions, which count the values beyond the fences, have
    it too.
    """
    rows = []
    for condition, table in predictions.items():
        counts = np.zeros((2, table.num_rows), dtype=int)
        for n, (stay, output) in enumerate(zip(table["stay_id"].to_pylist(), table["output"].to_pylist(), strict=True)):
            stated = statements(parse_output(output, []).lab_rationale or "", variables)
            counts[:, n] = len(stated), len(stated & statements(captions[stay], variables))
        (found,) = estimate([share(counts[1:], counts[:1])], patients, bootstrap)
        totals = {"statements": int(counts[0].sum()), "true": int(counts[1].sum())}
        rows.append({"condition": condition, **totals, "low": _rounded(found.low), "high": _rounded(found.high)})
    return rows


def statements(text: str, variables: list[str]) -> set[tuple[str, str]]:
    """Return the variables that a text calls higher or lower than normal, each with its direction.

    >>> statements("Lab test shows that pH is lower than normal 3 times.", ["Glucose", "pH"])
    {('pH', 'lower')}
    """
    plain = " ".join(text.split())
    directions = set()
    for variable in variables:
        stated = re.compile(
            rf"\b{re.escape(variable)} is (higher|lower) than normal"
            r"(?: \d+ times)?(?: and (higher|lower) than normal)?",
            re.IGNORECASE,
        )
        directions |= {(variable, d.lower()) for match in stated.finditer(plain) for d in match.groups() if d}
    return directions
