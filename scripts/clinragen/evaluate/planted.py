"""Planted evidence: does a student read its inputs?

The synthetic cohort plants the evidence of each phenotype in the notes, in the labs, in both or in neither. A model
that reads the labs finds phenotypes that only they show, and misses them if each stay gets the series of another one.
"""

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from clinragen.model.target_codec import parse_output
from clinragen.schemas.evaluate import PLANTED, STATEMENTS

GROUPS = ("labs", "both", "notes", "neither", "all")
AS_IS, SERIES, NOTES, LABELS = "as is", "series shuffled", "notes shuffled", "labels shuffled"
CONDITIONS = (AS_IS, SERIES, NOTES, LABELS)


def group_scores(
    predictions: Mapping[str, pa.Table], channels: Mapping[str, str], dataset: str, model: str, seed: int
) -> pa.Table:
    """Return micro F1 by group and condition of one run (PLANTED).

    `predictions` (PREDICTIONS) are by condition, except for shuffled labels; `channels` says where the evidence of each
    phenotype is. For shuffled labels, F1 comes from the mean number of hits over all orders of the labels: chance.
    """
    rows = []
    for group in GROUPS:
        of_group = [name for name, channel in channels.items() if group in (channel, "all")]
        scores = {condition: _f1(*_counts(table, of_group)) for condition, table in predictions.items()}
        scores[LABELS] = _f1(*_counts_by_chance(predictions[AS_IS], of_group))
        for condition in CONDITIONS:
            row = {"dataset": dataset, "model": model, "group": group, "condition": condition, "seed": seed}
            rows.append(row | {"f1": round(scores[condition], 4), "samples": predictions[AS_IS].num_rows})
    return pa.Table.from_pylist(rows, schema=PLANTED.schema)


def _counts(table: pa.Table, of_group: list[str]) -> tuple[float, int]:
    """Return the number of hits, and the number of predicted plus true phenotypes."""
    pairs = [
        (set(predicted) & set(of_group), set(true) & set(of_group))
        for predicted, true in zip(table["predicted"].to_pylist(), table["true"].to_pylist(), strict=True)
    ]
    return sum(len(p & t) for p, t in pairs), sum(len(p) + len(t) for p, t in pairs)


def _counts_by_chance(table: pa.Table, of_group: list[str]) -> tuple[float, int]:
    predicted, true = (
        Counter(name for names in table[column].to_pylist() for name in names if name in of_group)
        for column in ("predicted", "true")
    )
    hits = sum(predicted[name] * true[name] for name in of_group) / table.num_rows
    return hits, predicted.total() + true.total()


def _f1(hits: float, named: int) -> float:
    return 2 * hits / named if named else 0.0


def statement_scores(
    predictions: Mapping[str, pa.Table],
    captions: Mapping[int, str],
    variables: list[str],
    dataset: str,
    model: str,
    seed: int,
) -> pa.Table:
    """Count the statements of the generated lab rationales that hold for the stay's own series (STATEMENTS).

    A statement is a variable with a direction. It holds if the captions, which count the values beyond the fences, have
    it too.
    """
    rows = []
    for condition, table in predictions.items():
        total = true = 0
        for stay, output in zip(table["stay_id"].to_pylist(), table["output"].to_pylist(), strict=True):
            stated = statements(parse_output(output, []).lab_rationale or "", variables)
            total, true = total + len(stated), true + len(stated & statements(captions[stay], variables))
        row = {"dataset": dataset, "model": model, "condition": condition, "seed": seed}
        rows.append(row | {"statements": total, "true": true})
    return pa.Table.from_pylist(rows, schema=STATEMENTS.schema)


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
