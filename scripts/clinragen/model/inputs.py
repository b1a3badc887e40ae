"""Samples as the student reads them: note tokens, target tokens, series, features.

Tokens and series stay in their mapped files; only those of one batch are copied, and there padded to one length.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clinragen.errors import UserError
from clinragen.model.backbone import IGNORED
from clinragen.model.files import Files
from clinragen.registry.features import CATEGORIES, NUMERIC
from clinragen.registry.tokenizer import marks_of
from clinragen.schemas.benchmark import LABELS, SAMPLES, SERIES
from clinragen.schemas.extract import FEATURES
from clinragen.schemas.train import CAPTION_TOKENS, NOTE_TOKENS, TARGET_TOKENS

Row = dict[str, Any]


def read_samples(files: Files, split: str) -> list[Row]:
    """Read the samples of a split, by stay; their arrays are views into the mapped files.

    A sample has `stay_id`, `phenotypes` and `length`, its number of tokens. Files add to it: notes `input_ids` [tokens]
    and `note_cut`; captions `caption_ids` [tokens]; targets `labels` and their `sections` [tokens], `target_cut` and
    `marked`; series `series` [its steps, channels]; features `numbers` and `categories` [features]. UserError if a
    file lacks a stay that another one has.
    """
    parts: dict[Path, dict[int, Row]] = {}
    if files.notes:
        parts[files.notes] = _notes(files.notes, split)
    if files.captions:
        parts[files.captions] = _captions(files.captions, split)
    if files.targets:
        parts[files.targets] = _targets(files.targets, split)
    if files.samples:
        parts[files.samples] = _stays(files.samples, split)
    stays = {stay for rows in parts.values() for stay in rows}
    parts[files.labels] = _labels(files.labels)
    if files.series:
        parts[files.series[0]] = _grids(files.series)
    if files.features:
        parts[files.features] = _features(files.features)
    for path, rows in parts.items():
        if missing := stays - rows.keys():
            raise UserError(f"{path}: {len(missing)} stays of the {split} split are missing; make the file again")
    samples = []
    for stay in sorted(stays):
        row: Row = {"stay_id": stay}
        for rows in parts.values():
            row |= rows[stay]
        samples.append(row | {"length": length_of(row)})
    return samples


def length_of(row: Row) -> int:
    """Count the tokens of a sample."""
    return sum(len(row.get(name, ())) for name in ("input_ids", "caption_ids", "labels"))


def with_room_for_captions(samples: list[Row], longest: int, end: int) -> list[Row]:
    """Return the samples, notes cut where notes and captions have more than `longest` tokens together.

    A cut note keeps its end mark, if its tokenizer closes texts.
    """
    if not samples or not {"input_ids", "caption_ids"} <= samples[0].keys():
        return samples
    shortened = []
    for row in samples:
        note, room = row["input_ids"], max(0, longest - len(row["caption_ids"]))
        if len(note) > room:
            closing = note[-1:][: room * (note[-1] == end)]
            note = np.concatenate([note[: room - len(closing)], closing])
            row = row | {"input_ids": note, "note_cut": True}
        shortened.append(row | {"length": length_of(row)})
    return shortened


def _notes(path: Path, split: str) -> dict[int, Row]:
    table = NOTE_TOKENS.read(path)
    rows = zip(
        *(table[name].to_pylist() for name in ("stay_id", "split", "whole")), _views(table["tokens"]), strict=True
    )
    return {
        stay: {"input_ids": tokens, "note_cut": whole > len(tokens)} for stay, of, whole, tokens in rows if of == split
    }


def _captions(path: Path, split: str) -> dict[int, Row]:
    table = CAPTION_TOKENS.read(path)
    rows = zip(*(table[name].to_pylist() for name in ("stay_id", "split")), _views(table["tokens"]), strict=True)
    return {stay: {"caption_ids": tokens} for stay, of, tokens in rows if of == split}


def _targets(path: Path, split: str) -> dict[int, Row]:
    table = TARGET_TOKENS.read(path)
    columns = (table[name].to_pylist() for name in ("stay_id", "split", "whole", "marked"))
    rows = zip(*columns, _views(table["tokens"]), _views(table["sections"]), strict=True)
    return {
        stay: {"labels": tokens, "sections": sections, "target_cut": whole > len(tokens), "marked": marked}
        for stay, of, whole, marked, tokens, sections in rows
        if of == split
    }


def _stays(path: Path, split: str) -> dict[int, Row]:
    table = SAMPLES.read(path)
    pairs = zip(table["stay_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    return {stay: {} for stay, of in pairs if of == split}


def _labels(path: Path) -> dict[int, Row]:
    return {row["stay_id"]: {"phenotypes": row["phenotypes"]} for row in LABELS.read(path).to_pylist()}


def _grids(series: list[Path]) -> dict[int, Row]:
    grids: dict[int, Row] = {}
    for table in map(SERIES.read, series):
        columns = (table[name].to_pylist() for name in ("stay_id", "steps"))
        rows = zip(*columns, _views(table["values"]), strict=True)
        grids |= {stay: {"series": values.reshape(steps, -1)} for stay, steps, values in rows}
    return grids


def _features(path: Path) -> dict[int, Row]:
    indices = {name: {category: i for i, category in enumerate(all_)} for name, all_ in CATEGORIES.items()}
    return {
        row["stay_id"]: {
            "numbers": np.array([row[name] / scale for name, scale in NUMERIC.items()], np.float32),
            "categories": np.array([index[row[name]] for name, index in indices.items()], np.int64),
        }
        for row in FEATURES.read(path).to_pylist()
    }


def _views(lists: pa.ChunkedArray) -> Iterator[np.ndarray]:
    """Yield each list of a column as an array, which is a view."""
    for chunk in lists.chunks:
        flat = chunk.values.to_numpy()
        yield from (flat[begin:end] for begin, end in pairwise(chunk.offsets.to_pylist()))


def channels_of(series: list[Path]) -> int:
    """Return the number of channels, read from the first series of the first file."""
    first = SERIES.read(series[0]).slice(0, 1).to_pylist()
    if not first:
        raise UserError(f"{series[0]}: holds no series; the tables benchmark/attrition*.csv say where samples are lost")
    return len(first[0]["values"]) // first[0]["steps"]


def pad_series(grid: np.ndarray, steps: int) -> np.ndarray:
    """Return an array [steps, channels]: cut at the end, or its last row repeated (ambiguity 7)."""
    missing = steps - len(grid)
    return grid[:steps] if missing <= 0 else np.concatenate([grid, np.repeat(grid[-1:], missing, axis=0)])


class Collator:
    """Pads batches to their longest sample, and series to `steps`, which is None where none are read."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase | None, steps: int | None, padding: int = 0) -> None:
        """Pad tokens as the tokenizer of a language model does, or without one with `padding`."""
        self.padding, self.steps = marks_of(tokenizer).padding if tokenizer else padding, steps

    def __call__(self, rows: list[Row]) -> dict[str, Tensor]:
        """Return a batch of what the samples have.

        labels and their sections [batch, length]; input_ids and attention_mask [batch, length], caption_ids and
        caption_mask likewise; series [batch, steps, channels] and steps [batch], the number that are not padding;
        vectors of series [batch, channels, width]; numbers and categories [batch, features].
        """
        batch: dict[str, Tensor] = {}
        if "labels" in rows[0]:
            batch |= {"labels": _padded(rows, "labels", IGNORED), "sections": _padded(rows, "sections", 0)}
        for ids, mask in (("input_ids", "attention_mask"), ("caption_ids", "caption_mask")):
            if ids in rows[0]:
                batch[ids] = _padded(rows, ids, self.padding)
                lengths = torch.tensor([len(row[ids]) for row in rows])
                batch[mask] = (torch.arange(batch[ids].shape[1]) < lengths[:, None]).long()
        if "vectors" in rows[0]:
            batch["vectors"] = torch.from_numpy(np.stack([row["vectors"] for row in rows]))
        elif "series" in rows[0]:
            steps = self.steps
            assert steps is not None, "series need a number of steps"
            batch["series"] = torch.from_numpy(np.stack([pad_series(row["series"], steps) for row in rows]))
            batch["steps"] = torch.tensor([min(len(row["series"]), steps) for row in rows])
        for name in ("numbers", "categories"):
            if name in rows[0]:
                batch[name] = torch.from_numpy(np.stack([row[name] for row in rows]))
        return batch


def _padded(rows: list[Row], name: str, padding: int) -> Tensor:
    arrays = [row[name] for row in rows]
    padded = np.full((len(rows), max(map(len, arrays))), padding, dtype=np.int64)
    for i, array in enumerate(arrays):
        padded[i, : len(array)] = array
    return torch.from_numpy(padded)
