"""Data card of tokens: how long notes and targets are for each language model, and how many of them are cut."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.disclosure import shown_parts, shown_quantile
from clinragen.pages.render import render
from clinragen.schemas.train import TEXT_LENGTHS

SPLITS = ("train", "validation", "test")
TEXTS = {"note_tokens": "note", "target_tokens": "target", "lab_target_tokens": "target of phase 2"}
QUANTILES = {"median": 0.5, "p95": 0.95}


def text_lengths(path: Path, samples: pa.Table, tokens: pa.Table) -> pa.Table:
    """Lengths and cuts (TEXT_LENGTHS) of one file of tokens, `.../{dataset}/train/{backbone}[/{target}]/<text>.arrow`.

    What would tell of 1 to 10 patients is empty, and so is what would reveal it by subtraction.
    """
    place = path.parts[path.parts.index("train") :]
    patients = dict(zip(*(samples[name].to_pylist() for name in ("stay_id", "subject_id")), strict=True))
    rows = [
        (split, patients[stay], whole, whole > len(kept))
        for stay, split, whole, kept in zip(
            *(tokens[name].to_pylist() for name in ("stay_id", "split", "whole", "tokens")), strict=True
        )
    ]
    about = {
        "dataset": path.parts[-len(place) - 1],
        "tokens": "/".join(place[1:-1]),
        "text": TEXTS[path.stem],
    }
    return pa.Table.from_pylist([about | row for row in _by_split(rows)], schema=TEXT_LENGTHS.schema)


def _by_split(rows: list[tuple[str, int, int, bool]]) -> Iterator[dict[str, Any]]:
    splits = {split: [row for row in rows if row[0] == split] for split in SPLITS}
    seen = shown_parts([{patient for _, patient, _, _ in found} for found in splits.values()])
    for (split, found), whole_split_seen in zip(splits.items(), seen, strict=True):
        if not found:
            continue
        cut, whole = ([row for row in found if row[3] == is_cut] for is_cut in (True, False))
        cut_seen = whole_split_seen and all(shown_parts([{row[1] for row in part} for part in (cut, whole)]))
        lengths, patients = (np.array([row[i] for row in found]) for i in (2, 1))
        yield {
            "split": split,
            "texts": len(found) if whole_split_seen else None,
            "cut": len(cut) if cut_seen else None,
            "share_cut": round(len(cut) / len(found), 4) if cut_seen else None,
            **{
                name: shown_quantile(lengths, patients, share) if whole_split_seen else None
                for name, share in QUANTILES.items()
            },
        }


def token_card(lengths: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the lengths as HTML."""
    datasets: dict[str, list[dict]] = {}
    for row in lengths.to_pylist():
        datasets.setdefault(row["dataset"], []).append(row)
    return render("tokens", templates, stand_ins=stand_ins, datasets=datasets)
