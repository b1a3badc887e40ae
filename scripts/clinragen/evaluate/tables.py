"""The paper's tables and our values: the numbers."""

import csv
import statistics
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from clinragen.config.rows import BEYOND
from clinragen.errors import UserError
from clinragen.schemas.evaluate import COMPARISON, SCORES

COUNTS = {"outputs": "samples", "cut": "cut", "unreadable": "unreadable", "unknown": "unknown"}
"""Columns of COMPARISON that add up a column of SCORES over our runs."""


@dataclass(frozen=True)
class PaperCell:
    """One value of the paper; `std` in the unit of the value, where it is printed. Rows of BEYOND have none."""

    dataset: str
    model: str
    metric: str
    mean: float | None
    std: float | None


def read_paper(path: Path) -> list[PaperCell]:
    """Cells of one of resources/paper_table*.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            PaperCell(r["dataset"], r["model"], r["metric"], float(r["mean"]), float(r["std"]) if r["std"] else None)
            for r in csv.DictReader(file)
        ]


def in_row(scores: pa.Table, row: str) -> pa.Table:
    """Scores (SCORES) as those of a row: table 6 does not name its rows as the others do."""
    place = SCORES.schema.get_field_index("model")
    return scores.set_column(place, SCORES.schema.field(place), pa.array([row] * len(scores), pa.string()))


def compare(paper: list[PaperCell], scores: list[pa.Table], stand_ins: list[str]) -> pa.Table:
    """Every cell of the paper's table, with mean and sample standard deviation over our seeds (COMPARISON).

    Cells without a model of ours stay, with n_seeds 0; a standard deviation needs two seeds. A model that is asked has
    one run, without a seed. Rows of BEYOND follow those of the paper, without its values. UserError for scores of any
    other row that the paper's table does not have, and for two scores of one metric, row and seed.
    """
    known = {(cell.dataset, cell.model) for cell in paper}
    values: dict[tuple[str, str, str], dict[int | None, dict]] = {}
    for row in (r for table in scores for r in table.to_pylist()):
        if (row["dataset"], row["model"]) not in known and row["model"] not in BEYOND:
            raise UserError(
                f"the paper's table has no row {row['model']!r} for {row['dataset']}; its rows are "
                f"{', '.join(sorted({model for _, model in known}))} (models.<name> or asked.<name>: .row, .table)"
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
    rows = []
    others = [PaperCell(*place, None, None) for place in values if place[:2] not in known]
    for cell in [*paper, *others]:
        runs = values.get((cell.dataset, cell.model, cell.metric), {})
        ours = [row["value"] for row in runs.values()]
        mean = statistics.fmean(ours) if ours else None
        rows.append(
            {
                "dataset": cell.dataset,
                "model": cell.model,
                "metric": cell.metric,
                "ours_mean": _rounded(mean),
                "ours_std": _rounded(statistics.stdev(ours)) if len(ours) > 1 else None,
                "n_seeds": len(ours),
                "asked": None in runs,
                "paper_mean": cell.mean,
                "paper_std": cell.std,
                "difference": None if None in (mean, cell.mean) else _rounded(mean - cell.mean),
                "stand_ins": "; ".join(stand_ins) if ours else None,
                **{count: sum(r[column] for r in runs.values()) if ours else None for count, column in COUNTS.items()},
            }
        )
    return pa.Table.from_pylist(rows, schema=COMPARISON.schema)


def _rounded(value: float | None) -> float | None:
    """Four decimals, as the paper prints."""
    return None if value is None else round(value, 4)
