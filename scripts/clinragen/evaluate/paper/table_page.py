"""The paper's tables of scores, 1, 2 and 6, as a page and as text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.comparison import tally
from clinragen.evaluate.paper.forms import Section, Shown, distinct, interval, number, page_rows
from clinragen.evaluate.paper.verdict import DECIDED, MISSING
from clinragen.pages.render import render

NOT_COMPARABLE = "Made with stand-ins, so no value can be compared with the paper's: {}."
WITH_TESTS = (1, 2)
"""Tables whose rows have their names on the page of statistics."""
TITLES = {1: "diagnosis scores", 2: "ablations", 6: "other language models and teachers"}
LEADS = {
    1: "How well each model diagnoses the 25 phenotypes on the test split.",
    2: "How much ClinRaGen loses without labs, knowledge or rationales.",
    6: "How well ClinRaGen and Clinical-COT do with other language models and another teacher.",
}


def table_page(table: pa.Table, number: int, templates: list[Path]) -> str:
    """Return the comparison (COMPARISON) as HTML: a table per dataset, a row per model, a column per metric."""
    cells = table.to_pylist()
    datasets = page_rows(cells, f"table{number}", lambda cell: _titled(cell["metric"]))
    return render(
        "table",
        templates,
        number=number,
        title=_title(number),
        lead=LEADS[number],
        stand_ins=distinct(c["stand_ins"] for c in cells),
        columns=distinct(_titled(c["metric"]) for c in cells),
        with_seeds=True,
        with_tests=number in WITH_TESTS,
        shows=shows(cells),
        equal={dataset: equal_rows(rows) for dataset, rows in datasets.items()},
        unit="test samples",
        datasets=datasets,
        samples={dataset: _samples(rows) for dataset, rows in datasets.items()},
        tally=tally(table),
        missing=missing_rows(cells),
    )


def _title(number: int) -> str:
    return f"Table {number}: {TITLES[number]}"


def _titled(metric: str) -> str:
    return metric.replace("_", " ").replace("f1", "F1")


def _samples(rows: list[dict[str, Any]]) -> int | None:
    """Return the test samples of a dataset, from the outputs of a row, which are summed over its runs."""
    return next((row["outputs"] // row["n_seeds"] for row in rows if row["outputs"]), None)


def shows(cells: list[dict[str, Any]]) -> dict[str, bool]:
    """Return what some cell of a page has, so that the page explains nothing else."""
    return {
        "ours": any(cell["ours_mean"] is not None for cell in cells),
        "seeds": any(cell["n_seeds"] > 1 for cell in cells),
        "std": any(cell["ours_std"] is not None for cell in cells),
        "asked": any(cell.get("asked") for cell in cells),
        "judged": any(cell["verdict"] in DECIDED for cell in cells),
        "hidden": any(cell.get("hidden") for cell in cells),
    }


def equal_rows(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return the groups of rows that are equal because the template LLM replaces the LLM of each."""
    same: dict[tuple[float | None, ...], list[str]] = {}
    for row in rows:
        if row.get("asked", True) and "template LLM" in (row["stand_ins"] or ""):
            same.setdefault(tuple(cell["ours_mean"] for cell in row["cells"].values()), []).append(row["model"])
    return [models for models in same.values() if len(models) > 1]


def missing_rows(cells: list[dict[str, Any]]) -> dict[str, str]:
    """Return how to make each model without a value; with its dataset if others have it, or make it differently."""
    makes: dict[str, dict[str, str]] = {}
    for cell in cells:
        if cell["verdict"] == MISSING and cell["make"]:
            makes.setdefault(cell["model"], {})[cell["dataset"]] = cell["make"]
    datasets, rows = distinct(cell["dataset"] for cell in cells), {}
    for model, by_dataset in makes.items():
        if list(by_dataset) == datasets and len({*by_dataset.values()}) == 1:
            rows[model] = by_dataset[datasets[0]]
        else:
            rows |= {f"{model} ({dataset})": make for dataset, make in by_dataset.items()}
    if rows.keys() == {cell["model"] for cell in cells} and len({*rows.values()}) == 1:
        return {"all rows": next(iter(rows.values()))}
    return rows


def shown(table: pa.Table, number: int) -> Shown:
    """Return the comparison (COMPARISON) as text: per model our value, its interval, the paper's and the verdict."""
    cells = table.to_pylist()
    metrics = distinct(c["metric"] for c in cells)
    sections = []
    for dataset in distinct(c["dataset"] for c in cells):
        of_dataset = [c for c in cells if c["dataset"] == dataset]
        rows = [
            line
            for model in distinct(c["model"] for c in of_dataset)
            for line in _lines(model, {c["metric"]: c for c in of_dataset if c["model"] == model}, metrics)
        ]
        sections.append(Section(dataset, ["model", "", *map(_titled, metrics)], rows))
    notes = [NOT_COMPARABLE.format(labels) for labels in distinct(c["stand_ins"] for c in cells)]
    notes.append(
        "Per model: our mean over the seeds (standard deviation), its 95 % interval over resampled patients, the "
        "paper's value, and the verdict by the rule in docs/decisions.md."
    )
    return Shown(_title(number), sections, notes)


def _lines(model: str, cells: Mapping[str, Mapping[str, Any]], metrics: list[str]) -> Iterator[list[str]]:
    row = [cells.get(metric, {}) for metric in metrics]
    yield [model, "ours", *(_value(c.get("ours_mean"), c.get("ours_std")) for c in row)]
    if any(c.get("low") is not None for c in row):
        yield ["", "95 %", *(interval(c.get("low"), c.get("high")) for c in row)]
    yield ["", "paper", *(_value(c.get("paper_mean"), c.get("paper_std")) for c in row)]
    yield ["", "verdict", *(c.get("verdict", "") for c in row)]


def _value(mean: float | None, std: float | None) -> str:
    return number(mean) + ("" if std is None else f" ({std:.4f})")
