"""Compare the scores in the paper's tables with our values."""

import csv
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.rows import BEYOND
from clinragen.errors import UserError
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.verdict import DECIDED, MISSING, verdict
from clinragen.schemas.evaluate import COMPARISON, SCORES

COUNTS = {"outputs": "samples", "cut": "cut", "unreadable": "unreadable", "unknown": "unknown"}
"""Columns of COMPARISON that sum a column of SCORES over our runs."""
Place = tuple[str, str, str]
"""Dataset, row and metric."""


@dataclass(frozen=True)
class PaperCell:
    """One value of the paper; `std` is in its unit, and None if not printed. `mean` is None in rows of BEYOND."""

    dataset: str
    model: str
    metric: str
    mean: float | None
    std: float | None


def read_paper(path: Path) -> list[PaperCell]:
    """Return the cells of one of resources/paper_table*.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            PaperCell(row["dataset"], row["model"], row["metric"], float(row["mean"]), _number(row.get("std")))
            for row in csv.DictReader(file)
        ]


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def in_row(scores: pa.Table, row: str) -> pa.Table:
    """Return scores (SCORES) under the name of a row: table 6 names its rows differently."""
    index = SCORES.schema.get_field_index("model")
    return scores.set_column(index, SCORES.schema.field(index), pa.array([row] * len(scores), pa.string()))


def intervals_in_rows(intervals: pa.Table, rows: Mapping[tuple[str, str], str]) -> dict[Place, tuple[float, float]]:
    """Return the bounds of INTERVALS by the rows of a table; `rows` has them by dataset and model of INTERVALS."""
    return {
        (r["dataset"], rows[r["dataset"], r["model"]], r["metric"]): (r["low"], r["high"])
        for r in intervals.to_pylist()
        if (r["dataset"], r["model"]) in rows
    }


def compare(
    paper: list[PaperCell],
    scores: list[pa.Table],
    stand_ins: list[str],
    intervals: Mapping[Place, tuple[float, float]],
    missing: Missing,
) -> pa.Table:
    """Return every cell of the paper's table with the mean and sample standard deviation of our seeds (COMPARISON).

    Cells without a run have n_seeds 0 and the command that makes them. The standard deviation needs two seeds; a model
    that is asked has one run, without a seed. Rows of BEYOND follow the paper's rows, without its values. Raises
    UserError for scores of any other row that the paper's table lacks, and for two scores of one metric, row and seed.
    """
    printed = {(cell.dataset, cell.model) for cell in paper}
    values = _values(scores, printed)
    others = [PaperCell(*key, None, None) for key in values if key[:2] not in printed]
    rows = []
    for cell in [*paper, *others]:
        key = (cell.dataset, cell.model, cell.metric)
        rows.append(_row(cell, values.get(key, {}), intervals.get(key), stand_ins, missing))
    return pa.Table.from_pylist(rows, schema=COMPARISON.schema)


def _values(scores: list[pa.Table], printed: set[tuple[str, str]]) -> dict[Place, dict[int | None, dict[str, Any]]]:
    """Return the rows of SCORES by place and seed."""
    values: dict[Place, dict[int | None, dict[str, Any]]] = {}
    for row in (r for table in scores for r in table.to_pylist()):
        if (row["dataset"], row["model"]) not in printed and row["model"] not in BEYOND:
            raise UserError(
                f"the paper's table has no row {row['model']!r} for {row['dataset']}; its rows are "
                f"{', '.join(sorted({model for _, model in printed}))} (models.<name> or asked.<name>: .row, .table)"
            )
        metric = f"{row['average']}_{row['metric']}"
        seeds = values.setdefault((row["dataset"], row["model"], metric), {})
        # The mean over seeds would silently mix two models that carry one name.
        if row["seed"] in seeds:
            raise UserError(
                f"there are two scores {metric} of row {row['model']!r} for {row['dataset']}, seed {row['seed']}; "
                "each row of a table is one model (models.<name>.row, asked.<name>.row)"
            )
        seeds[row["seed"]] = row
    return values


def _row(
    cell: PaperCell,
    runs: Mapping[int | None, dict[str, Any]],
    interval: tuple[float, float] | None,
    stand_ins: list[str],
    missing: Missing,
) -> dict[str, Any]:
    ours = [row["value"] for row in runs.values()]
    mean = statistics.fmean(ours) if ours else None
    low, high = interval if interval and ours else (None, None)
    judged = verdict(mean, interval, cell.mean, cell.std, bool(stand_ins))
    return {
        "dataset": cell.dataset,
        "model": cell.model,
        "metric": cell.metric,
        "ours_mean": rounded(mean),
        "ours_std": rounded(statistics.stdev(ours)) if len(ours) > 1 else None,
        "low": rounded(low),
        "high": rounded(high),
        "n_seeds": len(ours),
        "asked": None in runs,
        "paper_mean": cell.mean,
        "paper_std": cell.std,
        "difference": None if stand_ins else difference(mean, cell.mean),
        "verdict": judged,
        "stand_ins": "; ".join(stand_ins) if ours else None,
        **{count: sum(r[column] for r in runs.values()) if ours else None for count, column in COUNTS.items()},
        "make": missing.how(cell.model, cell.dataset) if judged == MISSING else None,
    }


def tally(table: pa.Table) -> dict[str, int]:
    """Count the cells by verdict, those that compare two values first."""
    verdicts = table["verdict"].to_pylist()
    return {v: verdicts.count(v) for v in dict.fromkeys([*DECIDED, *sorted(verdicts)]) if v in verdicts}


def rounded(value: float | None) -> float | None:
    """Round to four decimals, as the paper prints."""
    return None if value is None else round(value, 4)


def difference(ours: float | None, paper: float | None) -> float | None:
    """Return ours minus the paper's, rounded; None without both."""
    return None if ours is None or paper is None else rounded(ours - paper)
