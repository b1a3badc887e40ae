"""The page of one of the paper's tables."""

from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.tables import COUNTS
from clinragen.pages.render import render


def table_page(table: pa.Table, number: int, templates: list[Path]) -> str:
    """Return the comparison (COMPARISON) as HTML: a table per dataset, a row per model, a column per metric."""
    cells = table.to_pylist()
    datasets: dict[str, dict[str, dict]] = {}
    for cell in cells:
        dataset, model = cell["dataset"], cell["model"]
        place = f"tables/table{number}.csv/{dataset}/{model}"
        seeds = "asked once" if cell["asked"] else cell["n_seeds"]
        new = {"model": model, "seeds": seeds, "place": place, "cells": {}}
        row = datasets.setdefault(dataset, {}).setdefault(model, new)
        row["cells"][cell["metric"]] = cell
        row |= {count: cell[count] for count in COUNTS}
    return render(
        "table",
        templates,
        number=number,
        stand_ins=sorted({c["stand_ins"] for c in cells if c["stand_ins"]}),
        metrics=list(dict.fromkeys(c["metric"] for c in cells)),
        datasets={dataset: list(rows.values()) for dataset, rows in datasets.items()},
    )
