"""Samples as the student reads them: note tokens, target tokens, series.

Series stay in their mapped files; only those of one batch are copied, and there padded to one length.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from clinragen.config.student import Texts
from clinragen.model.backbone import IGNORED
from clinragen.model.target_codec import sections_of_tokens, write_target
from clinragen.registry.tokenizer import marks_of
from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES, SERIES
from clinragen.schemas.rationale import RATIONALES

INSTRUCTION = "Diagnose the patient from the medical notes: "


@dataclass(frozen=True)
class Files:
    """Tables that make up the samples; notes that are not read are None, series that are not read no files.

    `series` are those of all splits that are read. `rationales` are R^m and R^t, or none of them: the targets are
    diagnoses alone.
    """

    samples: Path
    labels: Path
    courses: Path | None
    series: list[Path]
    rationales: list[Path]


@dataclass(frozen=True)
class Sample:
    """One stay: its note and its series [its steps, channels] as far as they are read, target, phenotypes."""

    stay_id: int
    note: str | None
    target: str
    series: np.ndarray | None
    phenotypes: list[str]
    marked: bool = False
    """Whether one of its rationales failed a check, or has no text and therefore is no part of the target."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer stored with a language model; uses no network."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def read_samples(files: Files, split: str, with_note_rationale: bool = True) -> list[Sample]:
    """Samples of a split, by stay; their series are views into the mapped files.

    Without `with_note_rationale` the targets hold D and R^t alone, as phase 2 asks.
    """
    stays = sorted(r["stay_id"] for r in SAMPLES.read(files.samples).to_pylist() if r["split"] == split)
    labels = _column(LABELS.read(files.labels), "phenotypes")
    notes = _column(COURSES.read(files.courses), "text") if files.courses else {}
    grids = _grids(files.series, set(stays))
    on_notes, on_labs = [_rationales(path) for path in files.rationales] or [None, None]
    if not with_note_rationale:
        on_notes = None
    samples = []
    for stay in stays:
        rows = [None if table is None else table[stay] for table in (on_notes, on_labs)]
        target = write_target(labels[stay], *((row["text"] or None) if row else None for row in rows))
        marked = any(row is not None and row["status"] != "good" for row in rows)
        note, series = notes[stay] if files.courses else None, grids[stay] if files.series else None
        samples.append(Sample(stay, note, target, series, labels[stay], marked))
    return samples


def _grids(series: list[Path], stays: set[int]) -> dict[int, np.ndarray]:
    found = {}
    for batch in (batch for path in series for batch in SERIES.read(path).to_batches()):
        values, columns = batch["values"], (batch[name].to_pylist() for name in ("stay_id", "steps"))
        flat, offsets = values.values.to_numpy(), values.offsets.to_pylist()
        rows = zip(*columns, offsets, offsets[1:], strict=False)
        found |= {stay: flat[a:b].reshape(n, -1) for stay, n, a, b in rows if stay in stays}
    return found


def channels_of(series: list[Path]) -> int:
    """Number of channels, read from the first series of the first file."""
    first = SERIES.read(series[0]).slice(0, 1).to_pylist()[0]
    return len(first["values"]) // first["steps"]


def pad_series(grid: np.ndarray, steps: int) -> np.ndarray:
    """Array [steps, channels]: cut at the end, or its last row repeated (ambiguity 7)."""
    missing = steps - len(grid)
    return grid[:steps] if missing <= 0 else np.concatenate([grid, np.repeat(grid[-1:], missing, axis=0)])


def encode(samples: list[Sample], tokenizer: PreTrainedTokenizerBase, texts: Texts) -> list[dict[str, Any]]:
    """Samples as token lists, the target's with its sections; `length` lets batches be made of samples of like length.

    `cut` names what is longer than the texts may be: the end of the note or of the target.
    """
    if not samples:
        # Tokenizers fail on nothing.
        return []
    marks = marks_of(tokenizer)
    # The end mark counts: a target that is cut ends with it, too.
    targets = tokenizer(
        [s.target for s in samples],
        add_special_tokens=False,
        truncation=True,
        max_length=texts.max_target_tokens - 1,
        return_offsets_mapping=True,
    )
    rows = [
        {
            "labels": [*targets["input_ids"][i], marks.end],
            "sections": sections_of_tokens(sample.target, [*targets["offset_mapping"][i], (0, 0)]),
            "phenotypes": sample.phenotypes,
            "length": len(targets["input_ids"][i]) + 1,
            "cut": {"target"} if targets.encodings[i].overflowing else set(),
            "marked": sample.marked,
        }
        for i, sample in enumerate(samples)
    ]
    if samples[0].note is not None:
        lines = [INSTRUCTION + s.note for s in samples]
        notes = tokenizer(lines, truncation=True, max_length=texts.max_note_tokens)
        for i, row in enumerate(rows):
            # The language model sets its start mark itself, before lab tokens too.
            note = notes["input_ids"][i][len(marks.start) :]
            row |= {"input_ids": note, "length": row["length"] + len(note)}
            row["cut"] |= {"note"} if notes.encodings[i].overflowing else set()
    if samples[0].series is not None:
        for row, sample in zip(rows, samples, strict=True):
            row["series"] = sample.series
    return rows


class Collator:
    """Batches padded to their longest sample, their series to `steps`, which is None where none are read."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, steps: int | None) -> None:
        self.padding, self.steps = marks_of(tokenizer).padding, steps

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """labels and their sections [batch, length]; input_ids and attention_mask [batch, length] where notes are
        read, series [batch, steps, channels] and how many steps are the stay's own, steps [batch], where series are.
        """
        pad = torch.nn.utils.rnn.pad_sequence
        targets, sections = ([torch.tensor(r[name]) for r in rows] for name in ("labels", "sections"))
        batch = {
            "labels": pad(targets, batch_first=True, padding_value=IGNORED),
            "sections": pad(sections, batch_first=True),
        }
        if "input_ids" in rows[0]:
            notes = [torch.tensor(r["input_ids"]) for r in rows]
            batch["input_ids"] = pad(notes, batch_first=True, padding_value=self.padding)
            batch["attention_mask"] = pad([torch.ones_like(n) for n in notes], batch_first=True)
        if "series" in rows[0]:
            batch["series"] = torch.from_numpy(np.stack([pad_series(r["series"], self.steps) for r in rows]))
            batch["steps"] = torch.tensor([min(len(r["series"]), self.steps) for r in rows])
        return batch


def _rationales(path: Path) -> dict[int, dict[str, Any]]:
    rows = RATIONALES.read(path).select(["stay_id", "text", "status"]).to_pylist()
    return {row["stay_id"]: row for row in rows}


def _column(table: pa.Table, name: str) -> dict[int, Any]:
    return dict(zip(table["stay_id"].to_pylist(), table[name].to_pylist(), strict=True))
