"""Page: results of the human study (mean ratings, agreement next to the paper's, mixed model, raters)."""

from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.study.mixed import CONVERGED
from clinragen.evaluate.study.scores import PEOPLE, TWICE
from clinragen.pages.render import render
from clinragen.schemas.ratings import ALL, CRITERIA

Cells = dict[str, dict[str, dict]]
"""Rows of a table by the values of two columns."""


def study_page(
    scores: pa.Table,
    agreement: pa.Table,
    model: pa.Table,
    raters: pa.Table,
    dataset: str,
    failed_checks: int | None,
    stand_ins: list[str],
    templates: list[Path],
) -> str:
    """Return the tables of the study (RATING_SCORES, AGREEMENT, STUDY_MODEL, STUDY_RATERS) as HTML."""
    by_raters: dict[str, list[dict]] = {}
    for row in agreement.to_pylist():
        by_raters.setdefault(row["raters"], []).append(row)
    agreements = {name: _cells(rows, "statistic") for name, rows in by_raters.items()}
    statuses = {row["criterion"]: row["status"] for row in model.to_pylist() if row["status"] != CONVERGED}
    return render(
        "study",
        templates,
        dataset=dataset,
        stand_ins=stand_ins,
        criteria=CRITERIA,
        systems=_cells(scores.to_pylist(), "system"),
        among=agreements.pop(PEOPLE),
        twice=agreements.pop(TWICE),
        judges=agreements,
        columns=[*CRITERIA, ALL],
        terms=_cells(model.to_pylist(), "term"),
        statuses=statuses,
        reference=model["reference"][0].as_py(),
        raters=raters.to_pylist(),
        failed_checks=failed_checks,
    )


def _cells(rows: list[dict], column: str) -> Cells:
    """Return rows by the values of a column, then by criterion."""
    cells: Cells = {}
    for row in rows:
        cells.setdefault(row[column], {})[row["criterion"]] = row
    return cells
