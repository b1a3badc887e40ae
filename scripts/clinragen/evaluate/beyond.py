"""Scores of the baselines beyond the paper, and their page."""

import statistics
from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.paper.forms import page_rows
from clinragen.pages.render import render
from clinragen.schemas.evaluate import BEYOND

CELLS = tuple((average, metric) for average in ("micro", "macro") for metric in ("precision", "recall", "f1"))


def summarise(scores: list[pa.Table]) -> pa.Table:
    """Return mean and sample standard deviation over the seeds (BEYOND) from the scores of each run (SCORES)."""
    runs: dict[tuple[str, ...], list[dict]] = {}
    for row in (r for table in scores for r in table.to_pylist()):
        runs.setdefault(tuple(row[name] for name in BEYOND.key), []).append(row)
    rows = []
    for key, of_seeds in runs.items():
        values = [row["value"] for row in of_seeds]
        rows.append(
            dict(zip(BEYOND.key, key, strict=True))
            | {
                "mean": round(statistics.fmean(values), 4),
                "std": round(statistics.stdev(values), 4) if len(values) > 1 else None,
                "n_seeds": sum(row["seed"] is not None for row in of_seeds),
                "samples": of_seeds[0]["samples"],
            }
        )
    return pa.Table.from_pylist(rows, schema=BEYOND.schema)


def beyond_page(table: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the scores (BEYOND) as HTML: a table per dataset, a row per baseline."""
    metrics = [" ".join(cell) for cell in CELLS]
    datasets = page_rows(table.to_pylist(), "beyond", lambda cell: f"{cell['average']} {cell['metric']}")
    return render("beyond", templates, stand_ins=stand_ins, metrics=metrics, datasets=datasets)
