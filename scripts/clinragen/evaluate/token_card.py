"""Data card of tokens: lengths of notes and targets for each language model, and how many are truncated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.disclosure import shown_parts, shown_quantile
from clinragen.pages.render import render
from clinragen.schemas.benchmark import SPLITS
from clinragen.schemas.train import TEXT_LENGTHS, is_cut

TEXTS = {"note_tokens": "note", "target_tokens": "target", "lab_target_tokens": "lab target"}
QUANTILES = {"median": 0.5, "p95": 0.95}


def text_lengths(path: Path, samples: pa.Table, tokens: pa.Table) -> pa.Table:
    """Summarise the lengths of one file of tokens (TEXT_LENGTHS), `.../train/{backbone}[/{target}]/<text>.arrow`.

    Numbers over 1 to 10 patients are empty, and so are numbers that would reveal them by subtraction: a split is shown
    for all texts or for none, by the patients of the samples.
    """
    # {dataset}/train/{backbone}/note_tokens.arrow, {dataset}/train/{backbone}/{target}/target_tokens.arrow
    dataset, _, *tokens_of = path.parts[-4:-1] if path.stem == "note_tokens" else path.parts[-5:-1]
    about = {"dataset": dataset, "tokens": "/".join(tokens_of), "text": TEXTS[path.stem]}
    rows = [about | row for row in _by_split(samples, tokens)]
    return pa.Table.from_pylist(rows, schema=TEXT_LENGTHS.schema)


def _by_split(samples: pa.Table, tokens: pa.Table) -> Iterator[dict[str, Any]]:
    stays, subjects, splits = (samples[name].to_pylist() for name in ("stay_id", "subject_id", "split"))
    of_split = {split: {p for p, s in zip(subjects, splits, strict=True) if s == split} for split in SPLITS}
    seen = dict(zip(SPLITS, shown_parts(list(of_split.values())), strict=True))
    of_stay = dict(zip(stays, subjects, strict=True))
    patients = np.array([of_stay[stay] for stay in tokens["stay_id"].to_pylist()])
    of_text, cut, lengths = np.array(tokens["split"].to_pylist()), is_cut(tokens).to_numpy(), tokens["whole"].to_numpy()
    for split in SPLITS:
        own = of_text == split
        if not own.any():
            continue
        groups = [set(patients[own & part].tolist()) for part in (cut, ~cut)]
        cut_seen = seen[split] and all(shown_parts(groups))
        quantiles = {
            name: shown_quantile(lengths[own], patients[own], share) if seen[split] else None
            for name, share in QUANTILES.items()
        }
        yield {
            "split": split,
            "texts": int(own.sum()) if seen[split] else None,
            "cut": int((own & cut).sum()) if cut_seen else None,
            "share_cut": round(float(cut[own].mean()), 4) if cut_seen else None,
        } | quantiles


def token_card(lengths: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the lengths as HTML."""
    datasets: dict[str, list[dict]] = {}
    for row in lengths.to_pylist():
        datasets.setdefault(row["dataset"], []).append(row)
    return render("tokens", templates, stand_ins=stand_ins, datasets=datasets)
