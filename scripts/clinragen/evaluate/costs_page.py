"""The costs of language models as a page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.costs import STAND_IN
from clinragen.pages.render import render

TITLES = {
    "terms": "key terms",
    "note_rationale": "rationales from notes",
    "lab_rationale": "rationales from labs",
    "judge": "ratings of rationales",
    "asked": "answers",
}
SUMMED = ("requests", "answers", "not_in_journal", "input_tokens", "output_tokens", "dollars", "seconds")
KEYS = ("stage", "dataset", "llm")
Row = dict[str, Any]


def costs_page(
    table: pa.Table, datasets: dict[str, str], stand_ins: list[str], tree: str, templates: list[Path]
) -> str:
    """Return the costs (COSTS) as HTML: in total, by model, and by purpose.

    `datasets` has their names in the paper; `tree` is the results directory for commands.
    """
    rows = [row | _described(row, datasets) for row in table.to_pylist()]
    models: dict[str, list[Row]] = {}
    for row in rows:
        models.setdefault(row["llm"], []).append(row)
    return render(
        "costs",
        templates,
        total=total(rows),
        models=[{name: own[0][name] for name in ("llm", "model", "provider")} | total(own) for own in models.values()],
        rows=rows,
        stand_ins=stand_ins,
        tree=tree,
    )


def total(rows: Iterable[Row]) -> Row:
    """Return the sums of rows of COSTS; money is None if that of one row is unknown."""
    rows = list(rows)
    sums: Row = {name: _sum(row[name] for row in rows) for name in SUMMED}
    return sums | _derived(sums) | {"real": [row["llm"] for row in rows if row["provider"] != STAND_IN]}


def key_of(row: Row) -> dict[str, str]:
    """Return the values that identify a row of COSTS in its record and in the lineage."""
    return {name: row[name] for name in KEYS if row[name] is not None}


def _described(row: Row, datasets: dict[str, str]) -> Row:
    stage, _, detail = row["stage"].partition("/")
    title = TITLES[stage] + (f", {detail}" if detail else "")
    about = datasets.get(row["dataset"], row["dataset"]) or "public documents"
    place = "/".join(["tables/costs.csv", *key_of(row).values()])
    return {"title": title, "about": about, "place": place} | _derived(row)


def _derived(row: Row) -> Row:
    """Return how many answers are stored, how many came on top of the first ones, and the price of 1,000 requests."""
    stored = row["requests"] - row["not_in_journal"] if row["answers"] else 0
    dollars = row["dollars"]
    return {
        "stored": stored,
        "repeated": row["answers"] - stored,
        "per_thousand": 1000 * dollars / row["requests"] if row["requests"] and dollars is not None else None,
    }


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    return None if None in found else sum(found)  # type: ignore[arg-type]
