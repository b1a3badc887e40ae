"""The effect of single settings: F1 of variants next to that of the same model without them."""

import statistics
from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.paper.forms import page_rows
from clinragen.pages.render import render
from clinragen.schemas.evaluate import SENSITIVITY

METRICS = {"micro": "micro F1", "macro": "macro F1"}


def compare_variants(variants: list[pa.Table], without: list[pa.Table]) -> pa.Table:
    """Compare F1 of every variant with that of the same model without it (SENSITIVITY), from their scores (SCORES).

    Both lists are in the same order of dataset and seed. The difference is the mean of the differences of the runs; its
    standard deviation needs two of them.
    """
    runs: dict[tuple[str, str, str, str], list[tuple[float, float]]] = {}
    for own, plain in zip(variants, without, strict=True):
        for average in METRICS:
            (mine,), (others,) = (_f1(table, average) for table in (own, plain))
            key = (mine["dataset"], mine["model"], average, others["model"])
            runs.setdefault(key, []).append((mine["value"], others["value"]))
    rows = []
    for (dataset, variant, average, model), pairs in runs.items():
        differences = [mine - others for mine, others in pairs]
        rows.append(
            {
                "dataset": dataset,
                "model": variant,
                "average": average,
                "f1": round(statistics.fmean(mine for mine, _ in pairs), 4),
                "without": model,
                "f1_without": round(statistics.fmean(others for _, others in pairs), 4),
                "difference": round(statistics.fmean(differences), 4),
                "difference_std": round(statistics.stdev(differences), 4) if len(pairs) > 1 else None,
                "n_seeds": len(pairs),
            }
        )
    return pa.Table.from_pylist(rows, schema=SENSITIVITY.schema)


def _f1(scores: pa.Table, average: str) -> list[dict]:
    return [row for row in scores.to_pylist() if (row["metric"], row["average"]) == ("f1", average)]


def sensitivity_page(table: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the comparison (SENSITIVITY) as HTML: a table per dataset, a row per variant."""
    datasets = page_rows(table.to_pylist(), "sensitivity", lambda cell: cell["average"])
    return render("sensitivity", templates, stand_ins=stand_ins, metrics=METRICS, datasets=datasets)
