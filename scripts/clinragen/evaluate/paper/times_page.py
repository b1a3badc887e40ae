"""The paper's Table 3 as a page and as text."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.forms import Section, Shown, distinct, number
from clinragen.evaluate.paper.table_page import NOT_COMPARABLE
from clinragen.evaluate.paper.times import ALL
from clinragen.pages.render import render

COLUMNS = {
    "wall_seconds": "wall-clock",
    "cpu_seconds": "CPU time",
    "answer_seconds": "waiting for responses",
    "dollars": "US dollars",
    "paper_seconds": "paper",
}
NOTE = (
    "Wall-clock time of the jobs, their CPU time, and the time from request to response of language models, where "
    "requests may overlap. Sums over jobs, means over seeds. The paper's times are from 2 A100 GPUs of 80 GB; times on "
    "other machines are not comparable."
)


def duration(seconds: float | None) -> str:
    """Return a time as text: seconds, and hours from one hour on."""
    if seconds is None:
        return "–"
    return f"{seconds:,.1f} s" if seconds < 3600 else f"{seconds:,.0f} s ({seconds / 3600:,.1f} h)"


def times_page(table: pa.Table, templates: list[Path]) -> str:
    """Return the times (TIMES) as HTML: a row per stage, and below it per dataset."""
    rows = table.to_pylist()
    for row in rows:
        row |= {"shown": {title: _shown(row, name) for name, title in COLUMNS.items()}, "whole": row["dataset"] == ALL}
    return render(
        "times",
        templates,
        rows=rows,
        columns=list(COLUMNS.values()),
        stand_ins=_stand_ins(rows),
        hardware={stage: _machines(rows, stage) for stage in distinct(row["stage"] for row in rows)},
        missing={row["stage"]: row["make"] for row in rows if row["make"]},
    )


def shown(table: pa.Table) -> Shown:
    """Return the times (TIMES) as text."""
    rows = table.to_pylist()
    lines = [
        [row["stage"] if row["dataset"] == ALL else "", row["dataset"], *(_shown(row, name) for name in COLUMNS)]
        for row in rows
    ]
    stages = distinct(row["stage"] for row in rows)
    machines = [f"{stage}: {names}." for stage in stages if (names := _machines(rows, stage))]
    section = Section("all stages", ["stage", "dataset", *COLUMNS.values()], lines)
    labels = "; ".join(_stand_ins(rows))
    notes = [NOT_COMPARABLE.format(labels)] if labels else []
    return Shown("Table 3: time of each stage", [section], [*notes, NOTE, *machines])


def _stand_ins(rows: list[dict[str, Any]]) -> list[str]:
    return distinct(label for row in rows for label in (row["stand_ins"] or "").split("; "))


def _shown(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if name == "dollars":
        return number(value, "{:,.2f}")
    return "" if name == "paper_seconds" and value is None else duration(value)


def _machines(rows: list[dict[str, Any]], stage: str) -> str:
    return "; ".join(distinct(row["hardware"] for row in rows if row["stage"] == stage and row["dataset"] == ALL))
