"""The page on the uncertainty of the scores."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.paper.comparison import PaperCell
from clinragen.evaluate.statistics import COMPARED, Statistics
from clinragen.evaluate.stats.significance import SIGNIFICANT
from clinragen.pages.render import render

VERDICTS = {
    "differs": "shown over patients and over seeds",
    "differs in these runs": "shown over patients; a row has a single run, so other trainings may differ",
    "differs on these patients only": "shown over seeds, not over patients: another test split may say otherwise",
    "differs in these runs only": "shown over patients, not over seeds: another training may say otherwise",
    "no difference shown": "shown by neither; this does not prove that there is none",
}


def verdict(row: dict) -> str:
    """Return the key of VERDICTS for both tests of a comparison (COMPARISONS), at 5 % after Holm's correction."""
    patients, seeds = row["p_patients_holm"] < SIGNIFICANT, row["p_welch_holm"]
    if seeds is None:
        return "differs in these runs" if patients else "no difference shown"
    if patients:
        return "differs" if seeds < SIGNIFICANT else "differs in these runs only"
    return "differs on these patients only" if seeds < SIGNIFICANT else "no difference shown"


def power(row: dict) -> str | None:
    """Return whether the test split can show a difference as large as the paper's; None if the paper has none."""
    if row["paper_difference"] is None:
        return None
    return "large enough" if abs(row["paper_difference"]) >= row["detectable"] else "too small"


def statistics_page(
    tables: Statistics,
    paper: Iterable[PaperCell],
    reference: str,
    settings: Bootstrap,
    stand_ins: list[str],
    templates: list[Path],
) -> str:
    """Return intervals, comparisons and phenotypes as HTML, dataset by dataset."""
    printed: dict[str, dict[str, None]] = {}
    for cell in paper:
        printed.setdefault(cell.dataset, {})[cell.model] = None
    datasets: dict[str, dict[str, Any]] = {}
    for cell in tables.intervals.to_pylist():
        new = {"rows": {}, "samples": cell["samples"], "patients": cell["patients"]}
        datasets.setdefault(cell["dataset"], new)["rows"].setdefault(cell["model"], {})[cell["metric"]] = cell
    for dataset, facts in datasets.items():
        facts["has_std"] = any(cell["std"] is not None for row in facts["rows"].values() for cell in row.values())
        facts["missing"] = [row for row in printed.get(dataset, ()) if row not in facts["rows"]]
        compared = [row for row in tables.comparisons.to_pylist() if row["dataset"] == dataset]
        facts["comparisons"] = {
            metric: [
                # The power of a synthetic test split says nothing about the paper's differences.
                row | {"verdict": verdict(row), "power": None if stand_ins else power(row)}
                for row in compared
                if row["metric"] == metric
            ]
            for metric in COMPARED
        }
        own = (r for r in tables.phenotypes.to_pylist() if (r["dataset"], r["model"]) == (dataset, reference))
        facts["phenotypes"] = sorted(own, key=lambda row: -(row["prevalence"] or 0))
    return render(
        "statistics",
        templates,
        datasets=datasets,
        metrics=list(dict.fromkeys(tables.intervals["metric"].to_pylist())),
        verdicts=VERDICTS,
        reference=reference,
        replicates=settings.replicates,
        stand_ins=stand_ins,
    )
