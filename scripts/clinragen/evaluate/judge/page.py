"""Page: ratings of the judges."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.pages.render import render
from clinragen.schemas.judge import ANOTHER_PATIENT, CONTROLS, LENGTH, WRONG_DIAGNOSES
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA

# Criteria that a control must lower; the others need not fall, because the text is as readable as before.
MUST_FALL = {
    ANOTHER_PATIENT: ("correctness", "soundness", "persuasiveness"),
    WRONG_DIAGNOSES: ("correctness", "persuasiveness"),
}
Rows = list[dict[str, Any]]
FALLS, UNMOVED, OPEN, HIDDEN = "falls", "does not fall", "is undecided", "too few patients"


def judge_page(
    scores: pa.Table, agreement: pa.Table, effects: pa.Table, stand_ins: list[str], templates: list[Path]
) -> str:
    """Return the scores (RATING_SCORES), agreement (AGREEMENT) and effects (JUDGE_EFFECTS) of all judges as HTML."""
    sections = [_of_judge(rater, scores, effects) for rater in dict.fromkeys(scores["rater"].to_pylist())]
    return render(
        "judge",
        templates,
        stand_ins=stand_ins,
        criteria=CRITERIA,
        judges=sections,
        agreement=_agreement(agreement.to_pylist()),
    )


def verdict(effect: dict[str, Any]) -> str:
    """Return whether a control falls, by the interval of the fall."""
    if effect["low"] is None:
        return HIDDEN
    return FALLS if effect["low"] > 0 else UNMOVED if effect["high"] <= 0 else OPEN


def _of_judge(rater: str, scores: pa.Table, effects: pa.Table) -> dict[str, Any]:
    own = [row | {"verdict": verdict(row)} for row in effects.to_pylist() if row["rater"] == rater]
    written: dict[str, Rows] = {}
    for row in scores.to_pylist():
        if row["rater"] == rater:
            written.setdefault(row["dataset"], [])
            if row["condition"] == AS_WRITTEN:
                written[row["dataset"]].append(row)
    controls = _lines([row for row in own if row["effect"] in CONTROLS], ("dataset", "effect"), "criterion")
    return {
        "rater": rater,
        "written": {dataset: _lines(rows, ("system",), "criterion") for dataset, rows in written.items()},
        "controls": controls,
        "length": _lines([row for row in own if row["effect"] == LENGTH], ("dataset", "effect"), "criterion"),
        "sentences": [_sentence(line) for line in controls],
    }


def _sentence(control: dict[str, Any]) -> tuple[bool, str]:
    """Return whether all criteria that must fall do so in a dataset and control, and a sentence that says so."""
    verdicts = {name: control["cells"][name]["verdict"] for name in MUST_FALL[control["effect"]]}
    failing = {name: v for name, v in verdicts.items() if v != FALLS}
    subject = f"{control['dataset']}, {control['effect']}"
    if not failing:
        return True, f"{subject}: {', '.join(verdicts)} fall, as they must."
    if set(failing.values()) == {HIDDEN}:
        return False, f"{subject}: undecided, because fewer than 11 patients have rated pairs."
    listed = "; ".join(f"{name} {v}" for name, v in failing.items())
    return False, f"{subject}: {listed}. A judge that overlooks this says little about the texts."


def _agreement(rows: Rows) -> dict[str, Rows]:
    by_raters: dict[str, Rows] = {}
    for row in rows:
        by_raters.setdefault(row["raters"], []).append(row)
    return {raters: _lines(own, ("dataset", "criterion", "n"), "statistic") for raters, own in by_raters.items()}


def _lines(rows: Rows, key: tuple[str, ...], column: str) -> Rows:
    """Return the lines of a page's table: rows that agree in `key` form one line, with a cell per value of `column`."""
    lines: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        new = {name: row[name] for name in key} | {"cells": {}}
        lines.setdefault(tuple(new[name] for name in key), new)["cells"][row[column]] = row
    return list(lines.values())
