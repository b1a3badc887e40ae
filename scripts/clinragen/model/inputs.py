"""Samples as the student reads them: note tokens, target tokens, series of fixed length."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from clinragen.model.target_codec import write_target
from clinragen.tables.benchmark import COURSES, LABELS, SAMPLES, SERIES
from clinragen.tables.rationale import RATIONALES

INSTRUCTION = "Diagnose the patient from the medical notes: "
IGNORED = -100


@dataclass(frozen=True)
class Files:
    """Tables that make up the samples; `rationales` are R^m and R^t, or none: targets of diagnoses alone."""

    samples: Path
    labels: Path
    courses: Path
    series: Path
    rationales: list[Path]


@dataclass(frozen=True)
class Sample:
    """One stay: its texts, its series [steps, channels], its phenotypes."""

    stay_id: int
    note: str
    target: str
    series: np.ndarray
    phenotypes: list[str]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that lies beside a language model; no network is asked."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def read_samples(files: Files, part: str, steps: int, with_note_rationale: bool = True) -> list[Sample]:
    """Samples of a part, by stay; series are padded with their last row to `steps` (ambiguity 7).

    Without `with_note_rationale` the targets hold D and R^t alone, as phase 2 asks.
    """
    wanted = {r["stay_id"] for r in SAMPLES.read(files.samples).to_pylist() if r["part"] == part}
    notes = _column(COURSES.read(files.courses), "text")
    labels = _column(LABELS.read(files.labels), "phenotypes")
    on_notes, on_labs = [_column(RATIONALES.read(path), "text") for path in files.rationales] or [None, None]
    samples = []
    for row in SERIES.read(files.series).to_pylist():
        stay = row["stay_id"]
        if stay in wanted:
            grid = np.asarray(row["values"], dtype=np.float32).reshape(row["steps"], -1)
            note_rationale = on_notes[stay] if on_notes is not None and with_note_rationale else None
            target = write_target(labels[stay], note_rationale, on_labs[stay] if on_labs is not None else None)
            samples.append(Sample(stay, notes[stay], target, pad_series(grid, steps), labels[stay]))
    return sorted(samples, key=lambda s: s.stay_id)


def channels_of(series: Path) -> int:
    """Number of channels of a SERIES table."""
    first = SERIES.read(series).slice(0, 1).to_pylist()[0]
    return len(first["values"]) // first["steps"]


def pad_series(grid: np.ndarray, steps: int) -> np.ndarray:
    """Array [steps, channels]: cut at the end, or its last row repeated."""
    missing = steps - len(grid)
    return grid[:steps] if missing <= 0 else np.concatenate([grid, np.repeat(grid[-1:], missing, axis=0)])


def encode(
    samples: list[Sample], tokenizer: PreTrainedTokenizerBase, note_tokens: int, target_tokens: int
) -> list[dict]:
    """Samples as token lists; `length` lets batches be made of samples of like length."""
    if not samples:
        # Tokenizers fail on nothing.
        return []
    notes = tokenizer([INSTRUCTION + s.note for s in samples], truncation=True, max_length=note_tokens)["input_ids"]
    targets = tokenizer([s.target for s in samples], truncation=True, max_length=target_tokens)["input_ids"]
    return [
        {"input_ids": note, "labels": target, "series": s.series, "length": len(note) + len(target)}
        for s, note, target in zip(samples, notes, targets, strict=True)
    ]


class Collator:
    """Batches padded to their longest sample."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.padding = tokenizer.pad_token_id

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """input_ids, attention_mask [batch, length], labels [batch, length], series [batch, steps, channels]."""
        notes = [torch.tensor(r["input_ids"]) for r in rows]
        pad = torch.nn.utils.rnn.pad_sequence
        return {
            "input_ids": pad(notes, batch_first=True, padding_value=self.padding),
            "attention_mask": pad([torch.ones_like(n) for n in notes], batch_first=True),
            "labels": pad([torch.tensor(r["labels"]) for r in rows], batch_first=True, padding_value=IGNORED),
            "series": torch.from_numpy(np.stack([r["series"] for r in rows])),
        }


def _column(table: pa.Table, name: str) -> dict[int, Any]:
    return dict(zip(table["stay_id"].to_pylist(), table[name].to_pylist(), strict=True))
