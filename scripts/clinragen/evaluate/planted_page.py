"""The page on planted evidence."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pyarrow as pa

from clinragen.evaluate.paper.forms import distinct
from clinragen.evaluate.paper.pictures import embedded_png
from clinragen.evaluate.planted import AS_IS, CONDITIONS, GROUPS, LABELS, NOTES, SERIES
from clinragen.pages.render import render

matplotlib.use("Agg")
from matplotlib import pyplot

MARKS = {AS_IS: ("o", "#0b6e99"), SERIES: ("X", "#b4540a"), NOTES: ("s", "#7a5ea8"), LABELS: ("|", "#57606a")}
SYMBOLS = {AS_IS: "●", SERIES: "×", NOTES: "■", LABELS: "|"}
"""The marks as text."""
SEEN_IN = {
    "labs": "in the labs only",
    "both": "in notes and labs",
    "notes": "in the notes only",
    "neither": "in neither",
    "all": "all phenotypes",
}


@dataclass(frozen=True)
class Spread:
    """A value over the seeds: mean, lowest and highest bound of its intervals over patients."""

    mean: float
    low: float
    high: float


def planted_page(scores: pa.Table, statements: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return scores (PLANTED) and truth of lab rationales (STATEMENTS) as HTML, a section per dataset."""
    rows = scores.to_pylist()
    datasets = []
    for dataset in distinct(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        models = distinct(row["model"] for row in own)
        cells = {
            (model, group, condition): _spread(
                (row["f1"], row["low"], row["high"])
                for row in own
                if (row["model"], row["group"], row["condition"]) == (model, group, condition)
            )
            for model in models
            for group in GROUPS
            for condition in CONDITIONS
        }
        datasets.append(
            {
                "name": dataset,
                "samples": own[0]["samples"],
                "models": models,
                "cells": cells,
                "lead": models[0],
                "blind": [m for m in models if _same(own, m, SERIES)],
                "pictures": {group: _draw(cells, models, group) for group in GROUPS},
                "stated": _stated([row for row in statements.to_pylist() if row["dataset"] == dataset]),
            }
        )
    return render(
        "planted",
        templates,
        stand_ins=stand_ins,
        seeds=sorted({row["seed"] for row in rows}),
        groups=SEEN_IN,
        marks={condition: (SYMBOLS[condition], color) for condition, (_, color) in MARKS.items()},
        datasets=datasets,
    )


def _same(rows: list[dict], model: str, condition: str) -> bool:
    """Return whether a condition leaves all scores of a model unchanged."""
    plain, changed = (
        {(row["group"], row["seed"]): row["f1"] for row in rows if (row["model"], row["condition"]) == (model, shown)}
        for shown in (AS_IS, condition)
    )
    return plain == changed


def _stated(rows: list[dict]) -> dict[str, dict[str, Spread]]:
    """Return the share of true statements by model and condition, for models with statements in every run."""
    shares: dict[str, dict[str, Spread]] = {}
    for model in distinct(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        if all(row["statements"] for row in own):
            shares[model] = {
                condition: _spread(
                    (row["true"] / row["statements"], row["low"], row["high"])
                    for row in own
                    if row["condition"] == condition
                )
                for condition in distinct(row["condition"] for row in own)
            }
    return shares


def _spread(estimates: Iterable[tuple[float, float, float]]) -> Spread:
    """Return the spread of estimates (value, lower bound, upper bound), one per seed."""
    values, low, high = zip(*estimates, strict=True)
    return Spread(statistics.fmean(values), min(low), max(high))


def _draw(cells: dict[tuple[str, str, str], Spread], models: list[str], group: str) -> bytes:
    """Draw the scores of a group: a line per model and a mark per condition, with a bar for its interval."""
    figure, axis = pyplot.subplots(figsize=(3.4, 0.5 + 0.3 * len(models)), layout="constrained")
    axis.grid(axis="x", color="#d8dee4", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_xlim(-0.03, 1.03)
    axis.set_xticks([0, 0.5, 1])
    axis.set_yticks(range(len(models)), models)
    axis.invert_yaxis()
    axis.tick_params(labelsize=9)
    for condition, (mark, color) in MARKS.items():
        for line, model in enumerate(models):
            cell = cells[model, group, condition]
            axis.plot([cell.low, cell.high], [line, line], color=color, linewidth=1)
            axis.plot(cell.mean, line, mark, color=color, markersize=6, alpha=0.85)
    return embedded_png(figure, 160)
