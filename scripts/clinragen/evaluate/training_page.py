"""Losses, validation scores, learning rate and gradient of every training, as a table and a page."""

import json
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pyarrow as pa

from clinragen.errors import UserError
from clinragen.evaluate.paper.pictures import embedded_png
from clinragen.pages.render import render
from clinragen.schemas.evaluate import TRAINING

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

OTHER = ("epoch", "step")
COLORS = {"": "#1b1f24", "_diagnoses": "#0b6e99", "_note_rationale": "#7a5ea8", "_lab_rationale": "#b4540a"}
NAMES = {
    "": "all tokens",
    "_diagnoses": "diagnoses",
    "_note_rationale": "note rationale",
    "_lab_rationale": "lab rationale",
}


def read_course(checkpoint: Path) -> pa.Table:
    """Read the history of the training behind a checkpoint (TRAINING); raise UserError if it is unreadable."""
    try:
        history = json.loads((checkpoint / "history.json").read_text(encoding="utf-8"))["history"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{checkpoint}: no readable history: {error}; train it again") from None
    dataset, _, backbone, target, seed, stage = checkpoint.parts[-6:]
    run = {
        "dataset": dataset,
        "student": f"{backbone}/{target}",
        "seed": int(seed.removeprefix("seed")),
        "stage": stage,
    }
    rows = [
        run | {"epoch": row["epoch"], "step": row["step"], "measure": measure, "value": value}
        for row in history
        for measure, value in row.items()
        if measure not in OTHER
    ]
    return pa.Table.from_pylist(rows, schema=TRAINING.schema)


def training_page(courses: Iterable[pa.Table], stand_ins: list[str], templates: list[Path]) -> str:
    """Return the histories of all trainings as HTML: for each a picture and its best epoch."""
    runs = []
    for table in courses:
        rows = table.to_pylist()
        first = rows[0]
        series: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            series.setdefault(row["measure"], []).append((row["epoch"], row["value"]))
        runs.append(
            {
                "title": f"{first['student']}, {first['stage']}",
                "about": f"{first['dataset']}, seed {first['seed']}",
                "epochs": round(max(row["epoch"] for row in rows)),
                "best": max(series["eval_f1"], key=lambda point: point[1]),
                "picture": _draw(series),
            }
        )
    return render("training", templates, stand_ins=stand_ins, runs=runs)


def _draw(series: dict[str, list[tuple[float, float]]]) -> bytes:
    """Draw losses by section (training solid, validation dashed), validation F1, gradient and learning rate."""
    # Fixed margins, because a fitted layout draws each of the many figures three times.
    margins = {"left": 0.05, "right": 0.94, "bottom": 0.18, "top": 0.88, "wspace": 0.22}
    figure, (losses, scores, gradient) = pyplot.subplots(1, 3, figsize=(10, 2.6), gridspec_kw=margins)
    for section, color in COLORS.items():
        for measure, style in (("loss", "-"), ("eval_loss", "--")):
            if points := series.get(measure + section):
                label = NAMES[section] if style == "-" else None
                losses.plot(*zip(*points, strict=True), style, color=color, linewidth=1.4, label=label)
    losses.set_title("loss per token (dashed: validation)", fontsize=9)
    losses.set_yscale("log")
    losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    losses.yaxis.set_major_formatter("{x:g}")
    losses.yaxis.set_minor_locator(NullLocator())
    losses.legend(fontsize=7, frameon=False)
    scores.plot(*zip(*series["eval_f1"], strict=True), "o-", color=COLORS["_diagnoses"], markersize=3)
    scores.set_ylim(-0.02, 1.02)
    scores.set_title("validation micro F1 of the diagnoses", fontsize=9)
    gradient.set_title("norm of the gradient (left), learning rate (right)", fontsize=9)
    if points := series.get("grad_norm"):
        gradient.plot(*zip(*points, strict=True), color=COLORS[""], linewidth=1.4)
    gradient.set_ylim(bottom=0)
    if points := series.get("learning_rate"):
        rate = gradient.twinx()
        rate.plot(*zip(*points, strict=True), ":", color=COLORS["_lab_rationale"])
        rate.set_ylim(bottom=0)
        rate.tick_params(labelsize=8)
    for axis in (losses, scores, gradient):
        axis.set_xlabel("epoch", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axis.tick_params(which="both", labelsize=8)
        axis.grid(color="#d8dee4", linewidth=0.6)
    return embedded_png(figure, 110)
