"""Losses, validation scores, learning rate and gradient of every training, as a table and a page."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.evaluate.line_chart import Chart, Points, chart
from clinragen.pages.render import render
from clinragen.registry.raw import TITLES
from clinragen.schemas.evaluate import TRAINING

OTHER = ("epoch", "step")
# Parts of the target: how the names of their losses end, and the class of their lines.
SECTIONS = {"": "all", "_diagnoses": "diagnoses", "_note_rationale": "of-note", "_lab_rationale": "of-lab"}
Row = dict[str, Any]


def read_history(checkpoint: Path) -> pa.Table:
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


def training_page(courses: list[pa.Table], rows: list[str], stand_ins: list[str], templates: list[Path]) -> str:
    """Return the histories of all trainings as HTML: charts for each phase of each student, all seeds in one.

    `rows` names the rows of the tables that each course is part of.
    """
    names = {_training_of(course): name for course, name in zip(courses, rows, strict=True)}
    datasets: dict[str, list[Row]] = {}
    for (dataset, student, stage), seeds in grouped(courses).items():
        training: Row = {"id": f"{dataset}/{student}/{stage}", "student": student, "stage": stage}
        training["rows"] = names[dataset, student, stage]
        training |= {"seeds": [outcome(seed, series) for seed, series in sorted(seeds.items())]}
        training |= {"charts": charts(list(seeds.values()))}
        datasets.setdefault(TITLES.get(dataset, dataset), []).append(training)
    stages = {stage for _, _, stage in names}
    return render("training", templates, stand_ins=stand_ins, stages=stages, datasets=datasets)


def _training_of(course: pa.Table) -> tuple[str, str, str]:
    """Return dataset, student and stage of a course."""
    row = course.slice(0, 1).to_pylist()[0]
    return row["dataset"], row["student"], row["stage"]


def grouped(courses: Iterable[pa.Table]) -> dict[tuple[str, str, str], dict[int, dict[str, Points]]]:
    """Return epochs and values of each measure (TRAINING), by dataset, student and stage, then by seed."""
    groups: dict[tuple[str, str, str], dict[int, dict[str, Points]]] = {}
    for course in courses:
        series: dict[str, list[tuple[float, float]]] = {}
        rows = course.to_pylist()
        for row in rows:
            series.setdefault(row["measure"], []).append((row["epoch"], row["value"]))
        groups.setdefault(_training_of(course), {})[rows[0]["seed"]] = dict(series)
    return groups


def outcome(seed: int, series: dict[str, Points]) -> Row:
    """Return the epochs of a training, the one whose weights were kept, and their validation F1."""
    ((epoch, _),) = series["kept"]
    return {
        "seed": seed,
        "epochs": _rounded(max(x for points in series.values() for x, _ in points)),
        "score": dict(series["eval_f1"])[epoch],
        "epoch": _rounded(epoch),
    }


def _rounded(epoch: float) -> float:
    """Return an epoch as shown: whole, unless the training was stopped within it (`max_steps`)."""
    return round(epoch) if abs(epoch - round(epoch)) < 0.05 else round(epoch, 1)


def charts(seeds: list[dict[str, Points]]) -> list[Chart]:
    """Return the charts of a training: losses by section, validation F1, gradient norm and learning rate."""
    losses = [
        (f"{section} {split}".strip(), series[measure + suffix])
        for series in seeds
        for suffix, section in SECTIONS.items()
        for measure, split in (("loss", ""), ("eval_loss", "validation"))
        if measure + suffix in series
    ]

    def of(measure: str) -> list[tuple[str, Points]]:
        return [("all", series[measure]) for series in seeds if measure in series]

    drawn = (
        chart("loss per token (logarithmic)", losses, log=True),
        chart("validation micro F1 of the diagnoses", of("eval_f1"), low=0, high=1),
        chart("norm of the gradient", of("grad_norm"), low=0),
        chart("learning rate", of("learning_rate"), low=0),
    )
    return [each for each in drawn if each]
