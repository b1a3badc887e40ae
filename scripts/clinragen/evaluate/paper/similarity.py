"""The paper's Table 4: similarity of the rationales to the teacher's, in the released code's convention and others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.comparison import PaperCell, difference, rounded, tally
from clinragen.evaluate.paper.forms import Section, Shown, distinct, interval, number, page_rows
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.table_page import NOT_COMPARABLE, equal_rows, missing_rows, shows
from clinragen.evaluate.paper.verdict import MISSING, NOT_IN_PAPER, verdict
from clinragen.evaluate.texts.runs import BOTH
from clinragen.pages.render import render
from clinragen.schemas.paper import SIMILARITY

TITLE = "Table 4: similarity of the rationales to the teacher's"
RELEASED, ALL, CORPUS = "released", "all", "corpus"
METRICS = {
    ("BLEU", RELEASED): "bleu_marked",
    ("BERTScore", RELEASED): "bertscore_marked",
    ("BLEU", ALL): "bleu_all",
    ("BERTScore", ALL): "bertscore_all",
    ("BLEU", CORPUS): "corpus_bleu_all",
}
"""Metric of TEXT_SCORES by metric and convention."""
TITLES = {
    ("BLEU", RELEASED): "BLEU",
    ("BERTScore", RELEASED): "BERTScore F1",
    ("BLEU", ALL): "BLEU, all cases",
    ("BERTScore", ALL): "BERTScore F1, all cases",
    ("BLEU", CORPUS): "corpus BLEU, all cases",
}
"""Column headings, those of the paper's convention first."""
NO_BERTSCORE = "set evaluate.bertscore, which is null, then "
FEW_PATIENTS = "hidden: 1 to 10 patients have such a text, or lack it"


def similarity_table(
    paper: list[PaperCell], scores: list[dict[str, Any]], stand_ins: list[str], missing: Missing
) -> pa.Table:
    """Return every cell of the paper's table in each convention (SIMILARITY), from rows of TEXT_SCORES.

    Only the released convention has the paper's value.
    """
    ours = {(r["dataset"], r["model"], r["metric"]): r for r in scores if r["part"] == BOTH}
    scored = {key[:2] for key in ours}
    rows = []
    for cell in paper:
        for convention in (convention for metric, convention in METRICS if metric == cell.metric):
            key = (cell.dataset, cell.model, METRICS[cell.metric, convention])
            row = _row(cell, convention, ours.get(key, {}), stand_ins)
            if row["verdict"] == MISSING:
                make = missing.how(cell.model, cell.dataset)
                only_this_metric = key[:2] in scored
                row["make"] = FEW_PATIENTS if key in ours else f"{NO_BERTSCORE}{make}" if only_this_metric else make
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=SIMILARITY.schema)


def _row(cell: PaperCell, convention: str, score: Mapping[str, Any], stand_ins: list[str]) -> dict[str, Any]:
    ours, low, high = (score.get(name) for name in ("value", "low", "high"))
    printed = cell.mean if convention == RELEASED else None
    bounds = None if low is None or high is None else (low, high)
    return {
        "dataset": cell.dataset,
        "model": cell.model,
        "metric": cell.metric,
        "convention": convention,
        "ours_mean": rounded(ours),
        "ours_std": rounded(score.get("std")),
        "low": rounded(low),
        "high": rounded(high),
        "n_seeds": score.get("n_seeds", 0),
        "counted": score.get("counted"),
        "samples": score.get("samples"),
        "paper_mean": printed,
        "difference": None if stand_ins else difference(ours, printed),
        "verdict": verdict(ours, bounds, printed, cell.std, bool(stand_ins)),
        "stand_ins": "; ".join(stand_ins) if ours is not None else None,
        "make": None,
    }


def similarity_page(table: pa.Table, templates: list[Path]) -> str:
    """Return the scores (SIMILARITY) as HTML: a row per model, a column per metric and convention."""
    cells = [cell | {"hidden": cell["make"] == FEW_PATIENTS} for cell in table.to_pylist()]
    datasets = page_rows(cells, "table4", lambda cell: TITLES[cell["metric"], cell["convention"]])
    compared = table.filter(pa.compute.not_equal(table["verdict"], NOT_IN_PAPER))
    return render(
        "similarity",
        templates,
        number=4,
        title=TITLE,
        lead="How similar the rationales of ClinRaGen and of the five-shot LLMs are to those of the teacher.",
        columns=list(TITLES.values()),
        with_seeds=False,
        with_tests=False,
        shows=shows(cells),
        equal={dataset: equal_rows(rows) for dataset, rows in datasets.items()},
        unit="cases",
        stand_ins=distinct(c["stand_ins"] for c in cells),
        datasets=datasets,
        samples={d: next((c["samples"] for c in cells if c["dataset"] == d and c["samples"]), None) for d in datasets},
        tally=tally(compared.filter(pa.compute.equal(compared["convention"], RELEASED))),
        missing=missing_rows([cell for cell in cells if not cell["hidden"]]),
    )


def shown_similarity(table: pa.Table) -> Shown:
    """Return the scores (SIMILARITY) as text."""
    cells = table.to_pylist()
    sections = []
    for dataset in distinct(c["dataset"] for c in cells):
        rows = []
        for model in distinct(c["model"] for c in cells):
            own = [c for c in cells if (c["dataset"], c["model"]) == (dataset, model)]
            by_title = {(c["metric"], c["convention"]): c for c in own}
            row = [by_title.get(key, {}) for key in TITLES]
            rows.append([model, "ours", *(number(c.get("ours_mean")) for c in row)])
            rows.append(["", "95 %", *(interval(c.get("low"), c.get("high")) for c in row)])
            printed = [c if c.get("paper_mean") is not None else {} for c in row]
            rows.append(["", "paper", *(number(c.get("paper_mean"), none="") for c in printed)])
            rows.append(["", "verdict", *(c.get("verdict", "") for c in printed)])
        sections.append(Section(dataset, ["model", "", *TITLES.values()], rows))
    notes = [NOT_COMPARABLE.format(labels) for labels in distinct(c["stand_ins"] for c in cells)]
    notes.append(
        "The paper's values are compared under the released code's convention: the mean over the outputs that have a "
        "rationale. Over all cases, a missing rationale scores 0."
    )
    return Shown(TITLE, sections, notes)
