"""Notes and targets as tokens, which students are trained on and asked with (NOTE_TOKENS, TARGET_TOKENS)."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from clinragen.model.target_codec import sections_of_tokens, write_target
from clinragen.registry.tokenizer import marks_of
from clinragen.runtime.progress import Progress
from clinragen.schemas.benchmark import SPLITS
from clinragen.schemas.schema import Writer
from clinragen.schemas.train import CAPTION_TOKENS, NOTE_TOKENS, TARGET_TOKENS, is_cut

INSTRUCTION = "Diagnose the patient from the medical notes: "
LEARNED = ("train", "validation")
TOGETHER = 1000
"""Number of texts that are in memory at a time."""


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer stored with a language model; uses no network."""
    return AutoTokenizer.from_pretrained(directory, local_files_only=True)


def note_tokens(
    samples: pa.Table, courses: pa.Table, tokenizer: PreTrainedTokenizerBase, longest: int
) -> Iterator[pa.Table]:
    """Yield the notes of all samples by stay, in pieces (NOTE_TOKENS), each cut after `longest` tokens."""
    notes = _by_stay(courses, "text")
    for stays in _pieces(samples, SPLITS):
        encoded = encode_notes([notes[stay] for stay, _ in stays], tokenizer, longest)
        rows = [{"stay_id": stay, "split": split} | row for (stay, split), row in zip(stays, encoded, strict=True)]
        yield pa.Table.from_pylist(rows, NOTE_TOKENS.schema)


def encoder_tokens(
    samples: pa.Table, courses: pa.Table, tokenizer: PreTrainedTokenizerBase, longest: int
) -> Iterator[pa.Table]:
    """Yield the notes of all samples as a text encoder reads them, by stay, in pieces (NOTE_TOKENS).

    They have the encoder's marks and no instruction, and are cut after `longest` tokens, marks included.
    """
    notes = _by_stay(courses, "text")
    for stays in _pieces(samples, SPLITS):
        encoded = tokenizer([notes[stay] for stay, _ in stays], truncation=True, max_length=longest)
        rows = [
            {"stay_id": stay, "split": split, "tokens": ids, "whole": len(ids) + _cut(encoding)}
            for (stay, split), ids, encoding in zip(stays, encoded["input_ids"], encoded.encodings, strict=True)
        ]
        yield pa.Table.from_pylist(rows, NOTE_TOKENS.schema)


def caption_tokens(samples: pa.Table, captions: pa.Table, tokenizer: PreTrainedTokenizerBase) -> Iterator[pa.Table]:
    """Yield the captions of all samples by stay, in pieces (CAPTION_TOKENS)."""
    texts, start = _by_stay(captions, "text"), len(marks_of(tokenizer).start)
    for stays in _pieces(samples, SPLITS):
        encoded = tokenizer([texts[stay] for stay, _ in stays])["input_ids"]
        rows = [
            {"stay_id": stay, "split": split, "tokens": ids[start:]}
            for (stay, split), ids in zip(stays, encoded, strict=True)
        ]
        yield pa.Table.from_pylist(rows, CAPTION_TOKENS.schema)


def target_tokens(
    samples: pa.Table,
    labels: pa.Table,
    rationales: tuple[pa.Table | None, pa.Table | None],
    tokenizer: PreTrainedTokenizerBase,
    longest: int,
    rationale_first: bool = False,
) -> Iterator[pa.Table]:
    """Yield the targets of the training and validation samples, by stay, in pieces (TARGET_TOKENS).

    `rationales` are R^m and R^t, None for one that the targets do not contain, such as R^m in phase 2. Targets are cut
    after `longest` tokens, as `encode_targets` says.
    """
    phenotypes = _by_stay(labels, "phenotypes")
    texts, statuses = ([None if t is None else _by_stay(t, name) for t in rationales] for name in ("text", "status"))
    for stays in _pieces(samples, LEARNED):
        parts = [[None if table is None else table[stay] or None for table in texts] for stay, _ in stays]
        written = [
            write_target(phenotypes[s], on_note, on_labs, rationale_first)
            for (s, _), (on_note, on_labs) in zip(stays, parts, strict=True)
        ]
        encoded = encode_targets(written, tokenizer, longest)
        rows = [
            {"stay_id": s, "split": split, "marked": any(t is not None and t[s] != "good" for t in statuses)} | row
            for (s, split), row in zip(stays, encoded, strict=True)
        ]
        yield pa.Table.from_pylist(rows, TARGET_TOKENS.schema)


def encode_notes(notes: list[str], tokenizer: PreTrainedTokenizerBase, longest: int) -> list[dict[str, Any]]:
    """Return the `tokens` of each note after the instruction, at most `longest`, and the number of the `whole` note."""
    start = len(marks_of(tokenizer).start)
    encoded = tokenizer([INSTRUCTION + note for note in notes], truncation=True, max_length=longest)
    # The adapter of the language model sets the start mark, also before lab tokens.
    rows = [{"tokens": ids[start:]} for ids in encoded["input_ids"]]
    return [row | {"whole": len(row["tokens"]) + _cut(e)} for row, e in zip(rows, encoded.encodings, strict=True)]


def encode_targets(targets: list[str], tokenizer: PreTrainedTokenizerBase, longest: int) -> list[dict[str, Any]]:
    """Return the `tokens` of each target with its end mark, their `sections`, and the number of the `whole` target.

    A target longer than `longest` tokens, end mark included, is cut at its end, or before the diagnoses where those
    come last; a cut target has the end mark too.
    """
    encoded = tokenizer(targets, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    rows = []
    for target, ids, spans in zip(targets, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        kept = _kept(sections_of_tokens(target, spans), longest - 1)
        rows.append(
            {
                "tokens": [*(ids[i] for i in kept), marks_of(tokenizer).end],
                "sections": sections_of_tokens(target, [*(spans[i] for i in kept), (0, 0)]),
                "whole": len(ids) + 1,
            }
        )
    return rows


def _kept(sections: list[int], most: int) -> list[int]:
    """Return the indices of the tokens of a target that remain if there is room for `most`, given their sections."""
    last = [i for i, section in enumerate(sections) if section == 0 and sections[0] != 0]
    others = len(sections) - len(last)
    return [*range(min(others, max(0, most - len(last)))), *last][:most]


def write_counting_cuts(pieces: Iterable[pa.Table], writer: Writer) -> str:
    """Write all pieces; return how many texts of each split are cut, as a line of a log."""
    counts: Counter[str] = Counter()
    with Progress("texts") as bar:
        for piece in pieces:
            writer.write(piece)
            counts += count_cut(piece)
            bar.advance(piece.num_rows)
    return cut_text(counts)


def count_cut(tokens: pa.Table) -> Counter[str]:
    """Count the texts of each split, and those of them that are cut."""
    counts: Counter[str] = Counter()
    for split, cut in zip(tokens["split"].to_pylist(), is_cut(tokens).to_pylist(), strict=True):
        counts.update({f"{split} texts": 1, f"{split} cut": int(cut)})
    return counts


def cut_text(counts: Counter[str]) -> str:
    """Return the counts of `count_cut` as a line of a log."""
    splits = [name.removesuffix(" texts") for name in counts if name.endswith(" texts")]
    return ", ".join(f"{counts[f'{s} cut']} of {counts[f'{s} texts']} in the {s} split" for s in splits)


def _cut(encoding: Any) -> int:
    """Count the tokens of a text beyond the longest allowed."""
    return sum(len(rest.ids) - sum(rest.special_tokens_mask) for rest in encoding.overflowing)


def _pieces(samples: pa.Table, splits: tuple[str, ...]) -> Iterator[list[tuple[int, str]]]:
    pairs = zip(samples["stay_id"].to_pylist(), samples["split"].to_pylist(), strict=True)
    stays = sorted((stay, split) for stay, split in pairs if split in splits)
    for start in range(0, len(stays), TOGETHER):
        yield stays[start : start + TOGETHER]


def _by_stay(table: pa.Table, name: str) -> dict[int, Any]:
    return dict(zip(table["stay_id"].to_pylist(), table[name].to_pylist(), strict=True))
