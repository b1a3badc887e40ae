"""Baselines beyond the paper: their scores, and a page of them."""

import statistics
from pathlib import Path

import pyarrow as pa

from clinragen.pages.render import render
from clinragen.schemas.evaluate import BEYOND

CELLS = tuple((average, metric) for average in ("micro", "macro") for metric in ("precision", "recall", "f1"))


def summarise(scores: list[pa.Table]) -> pa.Table:
    """Mean and sample standard deviation over the seeds (BEYOND) of the scores of each run (SCORES)."""
    runs: dict[tuple[str, ...], list[dict]] = {}
    for row in (r for table in scores for r in table.to_pylist()):
        runs.setdefault(tuple(row[name] for name in BEYOND.key), []).append(row)
    rows = []
    for key, found in runs.items():
        values = [row["value"] for row in found]
        rows.append(
            dict(zip(BEYOND.key, key, strict=True))
            | {
                "mean": round(statistics.fmean(values), 4),
                "std": round(statistics.stdev(values), 4) if len(values) > 1 else None,
                "n_seeds": sum(row["seed"] is not None for row in found),
                "samples": found[0]["samples"],
            }
        )
    return pa.Table.from_pylist(rows, schema=BEYOND.schema)


def beyond_page(table: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the scores (BEYOND) as HTML: a table per dataset, a row per baseline."""
    datasets: dict[str, dict[str, dict]] = {}
    for cell in table.to_pylist():
        dataset, model = cell["dataset"], cell["model"]
        new = {"model": model, "seeds": cell["n_seeds"], "place": f"tables/beyond.csv/{dataset}/{model}", "cells": {}}
        row = datasets.setdefault(dataset, {}).setdefault(model, new)
        row["cells"][f"{cell['average']} {cell['metric']}"] = cell
    metrics = [" ".join(cell) for cell in CELLS]
    rows = {dataset: list(found.values()) for dataset, found in datasets.items()}
    return render("beyond", templates, stand_ins=stand_ins, metrics=metrics, datasets=rows)
