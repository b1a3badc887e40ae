"""The page about the judges."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.pages.render import render
from clinragen.schemas.judge import ANOTHER_PATIENT, CONTROLS, LENGTH, WRONG_DIAGNOSES
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA

# The criteria that a control must lower: the rest may stay, since the text itself is as readable as before.
MUST_FALL = {
    ANOTHER_PATIENT: ("correctness", "soundness", "persuasiveness"),
    WRONG_DIAGNOSES: ("correctness", "persuasiveness"),
}
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
    """Whether a control falls, by the interval of the fall."""
    if effect["low"] is None:
        return HIDDEN
    return FALLS if effect["low"] > 0 else UNMOVED if effect["high"] <= 0 else OPEN


def _of_judge(rater: str, scores: pa.Table, effects: pa.Table) -> dict[str, Any]:
    own = [row for row in effects.to_pylist() if row["rater"] == rater]
    datasets = {}
    for row in scores.to_pylist():
        if row["rater"] == rater:
            tables = datasets.setdefault(row["dataset"], {})
            systems = tables.setdefault(row["condition"], {})
            systems.setdefault(row["system"], {"system": row["system"], "cells": {}})["cells"][row["criterion"]] = row
    tables = {name: {c: list(rows.values()) for c, rows in of.items()} for name, of in datasets.items()}
    return {
        "rater": rater,
        "written": {name: of.get(AS_WRITTEN, []) for name, of in tables.items()},
        "controls": _rows(own, CONTROLS),
        "length": _rows(own, (LENGTH,)),
        "sentences": list(_sentences(own)),
    }


def _rows(effects: list[dict[str, Any]], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in effects:
        if row["effect"] in kinds:
            place = row["dataset"], row["effect"]
            new = {"dataset": row["dataset"], "effect": row["effect"], "cells": {}}
            found.setdefault(place, new)["cells"][row["criterion"]] = row | {"verdict": verdict(row)}
    return list(found.values())


def _sentences(effects: list[dict[str, Any]]) -> list[tuple[bool, str]]:
    """Of each dataset and control, in words, whether every criterion falls that must, and which does not."""
    said = []
    for row in _rows(effects, CONTROLS):
        verdicts = {name: row["cells"][name]["verdict"] for name in MUST_FALL[row["effect"]]}
        failing = {name: v for name, v in verdicts.items() if v != FALLS}
        place = f"{row['dataset']}, {row['effect']}"
        names = ", ".join(verdicts)
        if not failing:
            said.append((True, f"{place}: {names} fall, as they must."))
        elif set(failing.values()) == {HIDDEN}:
            said.append((False, f"{place}: undecided, because fewer than 11 patients have rated pairs."))
        else:
            listed = "; ".join(f"{name} {v}" for name, v in failing.items())
            said.append((False, f"{place}: {listed}. A judge that overlooks this says little about the texts."))
    return said


def _agreement(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    found: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in rows:
        lines = found.setdefault(row["raters"], {})
        new = {"dataset": row["dataset"], "criterion": row["criterion"], "n": row["n"], "cells": {}}
        lines.setdefault((row["dataset"], row["criterion"]), new)["cells"][row["statistic"]] = row
    return {raters: list(lines.values()) for raters, lines in found.items()}
