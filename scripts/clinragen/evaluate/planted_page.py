"""The page on planted evidence: does it read the labs?"""

import io
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pyarrow as pa

from clinragen.evaluate.planted import AS_IS, CONDITIONS, GROUPS, LABELS, NOTES, SERIES
from clinragen.pages.render import render

matplotlib.use("Agg")
from matplotlib import pyplot

MARKS = {AS_IS: ("o", "#0b6e99"), SERIES: ("X", "#b4540a"), NOTES: ("s", "#7a5ea8"), LABELS: ("|", "#57606a")}
SEEN_IN = {
    "labs": "in the labs only",
    "both": "in notes and labs",
    "notes": "in the notes only",
    "neither": "in neither",
    "all": "all phenotypes",
}


@dataclass(frozen=True)
class Spread:
    """A value over the seeds: mean, lowest, highest."""

    mean: float
    low: float
    high: float
    seeds: int


def planted_page(scores: pa.Table, statements: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return scores (PLANTED) and truth of lab rationales (STATEMENTS) as HTML, a section per dataset."""
    rows = scores.to_pylist()
    datasets = []
    for dataset in _in_order(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        models = _in_order(row["model"] for row in own)
        cells = {
            (model, group, condition): _spread(
                row["f1"] for row in own if (row["model"], row["group"], row["condition"]) == (model, group, condition)
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
                "picture": _draw(cells, models),
                "stated": _stated([row for row in statements.to_pylist() if row["dataset"] == dataset]),
            }
        )
    return render(
        "planted",
        templates,
        stand_ins=stand_ins,
        seeds=sorted({row["seed"] for row in rows}),
        groups=SEEN_IN,
        conditions=CONDITIONS,
        datasets=datasets,
    )


def _same(rows: list[dict], model: str, condition: str) -> bool:
    """Whether a condition changes no score of a model."""
    found = [
        {(row["group"], row["seed"]): row["f1"] for row in rows if (row["model"], row["condition"]) == (model, shown)}
        for shown in (AS_IS, condition)
    ]
    return found[0] == found[1]


def _stated(rows: list[dict]) -> dict[str, dict[str, Spread]]:
    """Share of true statements per model and condition, of the models that make any in every run."""
    shares: dict[str, dict[str, Spread]] = {}
    for model in _in_order(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        if all(row["statements"] for row in own):
            shares[model] = {
                condition: _spread(row["true"] / row["statements"] for row in own if row["condition"] == condition)
                for condition in _in_order(row["condition"] for row in own)
            }
    return shares


def _spread(values: Iterable[float]) -> Spread:
    found = list(values)
    return Spread(statistics.fmean(found), min(found), max(found), len(found))


def _draw(cells: dict[tuple[str, str, str], Spread], models: list[str]) -> bytes:
    """A panel per group, a line per model, a mark per condition at its mean, with a bar from lowest to highest."""
    figure, axes = pyplot.subplots(
        1, len(GROUPS), figsize=(11, 1.3 + 0.42 * len(models)), sharey=True, layout="constrained"
    )
    for axis, group in zip(axes, GROUPS, strict=True):
        axis.set_title(SEEN_IN[group], fontsize=10)
        axis.grid(axis="x", color="#d8dee4", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.set_xlim(-0.03, 1.03)
        axis.set_xticks([0, 0.5, 1])
        axis.set_yticks(range(len(models)), models)
        for condition, (mark, color) in MARKS.items():
            for place, model in enumerate(models):
                at = cells[model, group, condition]
                axis.plot([at.low, at.high], [place, place], color=color, linewidth=1)
                axis.plot(at.mean, place, mark, color=color, markersize=7, alpha=0.85, label=condition)
    axes[0].invert_yaxis()
    known = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=len(known), frameon=False)
    axes[len(GROUPS) // 2].set_xlabel("micro F1", fontsize=9)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=130, transparent=True, metadata={"Software": None})
    pyplot.close(figure)
    return drawn.getvalue()


def _in_order(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
