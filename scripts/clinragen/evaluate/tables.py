"""The paper's tables with our values beside them."""

import csv
import html
import statistics
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.schemas.evaluate import COMPARISON


@dataclass(frozen=True)
class PaperCell:
    """One value of the paper; `std` in the unit of the value, where it is printed."""

    dataset: str
    model: str
    metric: str
    mean: float
    std: float | None


def read_paper(path: Path) -> list[PaperCell]:
    """Cells of one of resources/paper_table*.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            PaperCell(r["dataset"], r["model"], r["metric"], float(r["mean"]), float(r["std"]) if r["std"] else None)
            for r in csv.DictReader(file)
        ]


def compare(paper: list[PaperCell], scores: list[pa.Table], stand_ins: list[str]) -> pa.Table:
    """Every cell of the paper's table, with mean and sample deviation over our seeds (COMPARISON).

    Cells that we trained no model for stay, with n_seeds 0; the deviation needs two seeds. UserError for
    scores of a row that the paper's table does not have, and for two scores of one metric, row and seed.
    """
    known = {(cell.dataset, cell.model) for cell in paper}
    values: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in (r for table in scores for r in table.to_pylist()):
        if (row["dataset"], row["model"]) not in known:
            raise UserError(
                f"the paper's table has no row {row['model']!r} for {row['dataset']}; its rows are "
                f"{', '.join(sorted({model for _, model in known}))} (models.<name>.row, models.<name>.table)"
            )
        metric = f"{row['average']}_{row['metric']}"
        seeds = values.setdefault((row["dataset"], row["model"], metric), {})
        # The mean over seeds would silently mix two models that carry one name.
        if row["seed"] in seeds:
            raise UserError(
                f"there are two scores {metric} of row {row['model']!r} for {row['dataset']}, seed {row['seed']}; "
                "each row of a table is one model (models.<name>.row)"
            )
        seeds[row["seed"]] = row["value"]
    rows = []
    for cell in paper:
        ours = list(values.get((cell.dataset, cell.model, cell.metric), {}).values())
        mean = statistics.fmean(ours) if ours else None
        rows.append(
            {
                "dataset": cell.dataset,
                "model": cell.model,
                "metric": cell.metric,
                "ours_mean": _rounded(mean),
                "ours_std": _rounded(statistics.stdev(ours)) if len(ours) > 1 else None,
                "n_seeds": len(ours),
                "paper_mean": cell.mean,
                "paper_std": cell.std,
                "difference": None if mean is None else _rounded(mean - cell.mean),
                "stand_ins": "; ".join(stand_ins) if ours else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=COMPARISON.schema)


def _rounded(value: float | None) -> float | None:
    """Four decimals, as the paper prints."""
    return None if value is None else round(value, 4)


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Table {number}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1.5rem; color: #1b1f24; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .35rem .6rem; text-align: right; border-bottom: 1px solid #d8dee4; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
th.dataset {{ text-align: left; background: #f2f5f8; }}
td small {{ color: #57606a; display: block; }}
td a {{ color: inherit; text-decoration: none; border-bottom: 1px dotted #57606a; }}
.warning {{ background: #fff4d6; border-left: 4px solid #d4a017; padding: .6rem 1rem; }}
</style></head><body>
<h1>Table {number}: ours beside the paper's</h1>
{notice}
<p>Each cell: our mean (deviation) over the seeds, and below it the paper's value. A dash: no model of ours.
A value of ours leads to what it was made of.</p>
<table><thead><tr><th>model</th><th>seeds</th>{heads}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def write_page(table: pa.Table, number: int, path: Path) -> None:
    """The comparison as one self-contained HTML page, a row per model and a column per metric."""
    cells = table.to_pylist()
    metrics = list(dict.fromkeys(c["metric"] for c in cells))
    stand_ins = sorted({c["stand_ins"] for c in cells if c["stand_ins"]})
    notice = "".join(
        f'<p class="warning">Made with stand-ins, so it can not be compared with the paper: {html.escape(s)}.</p>'
        for s in stand_ins
    )
    rows = []
    for dataset in dict.fromkeys(c["dataset"] for c in cells):
        rows.append(f'<tr><th class="dataset" colspan="{len(metrics) + 2}">{html.escape(dataset)}</th></tr>')
        for model in dict.fromkeys(c["model"] for c in cells if c["dataset"] == dataset):
            found = {c["metric"]: c for c in cells if (c["dataset"], c["model"]) == (dataset, model)}
            row = f"tables/table{number}.csv/{dataset}/{model}"
            columns = "".join(f"<td>{_cell(found[m], row)}</td>" if m in found else "<td></td>" for m in metrics)
            seeds = next(iter(found.values()))["n_seeds"]
            rows.append(f"<tr><td>{html.escape(model)}</td><td>{seeds}</td>{columns}</tr>")
    heads = "".join(f"<th>{m.replace('_', ' ')}</th>" for m in metrics)
    page = PAGE.format(number=number, notice=notice, heads=heads, rows="\n".join(rows))
    path.write_text(page, encoding="utf-8")


def _cell(cell: dict, row: str) -> str:
    link = f'<a href="../audit/lineage.html#{quote(row)}">'
    ours = "–" if cell["ours_mean"] is None else f"{link}{cell['ours_mean']:.4f}</a>"
    spread = "" if cell["ours_std"] is None else f" ({cell['ours_std']:.4f})"
    return f"{ours}{spread}<small>{cell['paper_mean']:.4f}</small>"
