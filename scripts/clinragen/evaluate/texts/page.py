"""Page: measures of the rationales."""

from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.texts.runs import BOTH, LAB, NOTE
from clinragen.pages.render import render

PARTS = {BOTH: "Whole rationale", NOTE: "From the note", LAB: "From the labs"}
# Columns of the tables: heading by metric.
LIKENESS = {
    "bleu_marked": "BLEU per sample, with part",
    "bleu_all": "BLEU per sample, all",
    "corpus_bleu_marked": "corpus BLEU, with part",
    "corpus_bleu_all": "corpus BLEU, all",
    "bertscore_marked": "BERTScore, with part",
    "bertscore_all": "BERTScore, all",
}
FORM = {"missing": "without a text", "words": "words", "cut": "cut at the limit"}
LABS = {
    "lab_claims": "lab claims per text",
    "lab_claims_captions": "of them in the captions",
    "lab_claims_series": "of them true of the series",
    "captions_claimed": "share of the captions' findings",
}
DISEASES = {
    "named": "diseases per text",
    "named_true": "of them true",
    "named_predicted": "of them predicted",
    "true_named": "true diseases named",
    "predicted_named": "predicted diseases named",
}
FINDINGS = {"terms": "key terms per text", "terms_in_note": "of them in the note"}
NUMBERS = {"words", "lab_claims", "named", "terms"}
"""Metrics that are means, not shares."""


def texts_page(table: pa.Table, signature: str, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the scores (TEXT_SCORES) as HTML: by dataset, similarity to the teacher, form and faithfulness.

    `signature` is that of sacrebleu.
    """
    datasets: dict[str, list[dict]] = {}
    for row in table.to_pylist():
        datasets.setdefault(row["dataset"], []).append(row)
    return render(
        "texts",
        templates,
        stand_ins=stand_ins,
        signature=signature,
        numbers=NUMBERS,
        datasets={dataset: _sections(rows) for dataset, rows in datasets.items()},
    )


def _sections(rows: list[dict]) -> dict[str, object]:
    """Return the tables of a dataset, without empty columns."""
    return {
        "samples": rows[0]["samples"],
        "likeness": {title: _table(rows, part, LIKENESS) for part, title in PARTS.items()},
        "form": {title: _table(rows, part, FORM) for part, title in PARTS.items()},
        "labs": _table(rows, LAB, LABS),
        "diseases": {title: _table(rows, part, DISEASES) for part, title in PARTS.items() if part != BOTH},
        "terms": _table(rows, NOTE, FINDINGS),
    }


def _table(rows: list[dict], part: str, metrics: dict[str, str]) -> dict[str, object]:
    models: dict[str, dict] = {}
    for row in rows:
        if row["part"] == part and row["metric"] in metrics:
            new = {"model": row["model"], "seeds": row["n_seeds"], "cells": {}}
            models.setdefault(row["model"], new)["cells"][row["metric"]] = row
    present = {metric for model in models.values() for metric in model["cells"]}
    columns = {metric: title for metric, title in metrics.items() if metric in present}
    return {"columns": columns, "rows": list(models.values())}
