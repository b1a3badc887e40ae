"""One of the paper's tables of scores as it is shown: as a page, and as rows of text."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.comparison import COUNTS, tally
from clinragen.evaluate.paper.forms import Section, Shown, distinct, interval, number
from clinragen.evaluate.paper.verdict import MISSING
from clinragen.pages.render import render

NOT_COMPARABLE = "Made with stand-ins, so no value can be compared with the paper's: {}."
ASKED = "asked once"
TITLES = {1: "diagnosis scores", 2: "ablations", 6: "other language models and teachers"}
LEADS = {
    1: "How well each model diagnoses the 25 phenotypes on the test split.",
    2: "How much ClinRaGen loses without labs, knowledge or rationales.",
    6: "How well ClinRaGen and Clinical-COT do with other language models and another teacher.",
}


def table_page(table: pa.Table, number: int, templates: list[Path]) -> str:
    """Return the comparison (COMPARISON) as HTML: a table per dataset, a row per model, a column per metric."""
    cells = table.to_pylist()
    datasets: dict[str, dict[str, dict]] = {}
    for cell in cells:
        dataset, model = cell["dataset"], cell["model"]
        place = f"tables/table{number}.csv/{dataset}/{model}"
        seeds = ASKED if cell["asked"] else cell["n_seeds"]
        new = {"model": model, "seeds": seeds, "place": place, "cells": {}}
        row = datasets.setdefault(dataset, {}).setdefault(model, new)
        row["cells"][cell["metric"]] = cell
        row |= {count: cell[count] for count in COUNTS}
    return render(
        "table",
        templates,
        number=number,
        title=_title(number),
        lead=LEADS[number],
        samples={dataset: _samples(rows.values()) for dataset, rows in datasets.items()},
        stand_ins=distinct(c["stand_ins"] for c in cells),
        metrics=distinct(c["metric"] for c in cells),
        datasets={dataset: list(rows.values()) for dataset, rows in datasets.items()},
        tally=tally(table),
        missing={dataset: missing_rows([c for c in cells if c["dataset"] == dataset]) for dataset in datasets},
    )


def _title(number: int) -> str:
    return f"Table {number}: {TITLES[number]}, ours and the paper's"


def _samples(rows: Iterable[dict[str, Any]]) -> int | None:
    """Test samples of a dataset: outputs of a row are counted over its seeds. None if no row has a run."""
    return next((r["outputs"] // (1 if r["seeds"] == ASKED else r["seeds"]) for r in rows if r["outputs"]), None)


def missing_rows(cells: list[dict[str, Any]], name: str = "model") -> dict[str, str]:
    """Say for each row without a value how to make it."""
    return {c[name]: c["make"] for c in cells if c["verdict"] == MISSING and c["make"]}


def shown(table: pa.Table, number: int) -> Shown:
    """Return the comparison (COMPARISON) as text: per model a line of ours, its interval, and the paper."""
    cells = table.to_pylist()
    metrics = distinct(c["metric"] for c in cells)
    sections = []
    for dataset in distinct(c["dataset"] for c in cells):
        of = [c for c in cells if c["dataset"] == dataset]
        rows = [
            line
            for model in distinct(c["model"] for c in of)
            for line in _lines(model, {c["metric"]: c for c in of if c["model"] == model}, metrics)
        ]
        sections.append(
            Section(dataset, ["model", "", *(m.replace("_", " ").replace("f1", "F1") for m in metrics)], rows)
        )
    notes = [NOT_COMPARABLE.format(labels) for labels in distinct(c["stand_ins"] for c in cells)]
    notes.append(
        "Per model: our mean over the seeds (standard deviation), its 95 % interval over resampled patients, the "
        "paper's value, and the verdict by the rule in docs/decisions.md."
    )
    return Shown(_title(number), sections, notes)


def _lines(model: str, cells: dict[str, dict[str, Any]], metrics: list[str]) -> Iterator[list[str]]:
    found = [cells.get(metric) for metric in metrics]
    yield [model, "ours", *(_value(c and c["ours_mean"], c and c["ours_std"]) for c in found)]
    if any(c and c["low"] is not None for c in found):
        yield ["", "95 %", *(interval(c["low"], c["high"]) if c else "" for c in found)]
    yield ["", "paper", *(_value(c and c["paper_mean"], c and c["paper_std"]) for c in found)]
    yield ["", "verdict", *(c["verdict"] if c else "" for c in found)]


def _value(mean: float | None, std: float | None) -> str:
    return number(mean) + ("" if std is None else f" ({std:.4f})")
