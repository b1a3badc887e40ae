"""Rationales for all samples of a dataset; those of the test split are the reference for the text metrics."""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.llm.prompt import Prompt, cut_note
from clinragen.llm.request import Answer, Request
from clinragen.rationale.prompts import Example, lab_request, note_request
from clinragen.runtime.context import Facts
from clinragen.schemas.rationale import RATIONALES

log = logging.getLogger("rationale")
# Returns answers in the order of the requests, and facts about their origin.
Ask = Callable[[list[Request]], tuple[list[Answer], Facts]]


@dataclass(frozen=True)
class Sample:
    """The data of one stay that the teacher sees, including its note rationale if it has one."""

    stay_id: int
    note: str
    diagnoses: list[str]
    captions: str = ""
    note_rationale: str = ""
    note_cut: int = 0
    """Characters cut from the end of the note."""


@dataclass(frozen=True)
class Shard:
    """A part of a dataset that is asked in a separate job; the `stay_id` alone decides the shard of a stay."""

    number: int
    of: int

    @classmethod
    def named(cls, text: str) -> "Shard":
        """Return the shard with a name such as `2-of-4`; UserError for an invalid name."""
        match = re.fullmatch(r"(\d+)-of-(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(f"--shard {text}: expected a shard such as 2-of-4")
        return cls(int(match[1]), int(match[2]))

    def __contains__(self, stay_id: int) -> bool:
        return stay_id % self.of == self.number - 1


WHOLE = Shard(1, 1)


def gather(
    samples: pa.Table,
    courses: pa.Table,
    labels: pa.Table,
    shard: Shard,
    max_note_characters: int | None,
    captions: pa.Table | None = None,
    notes: pa.Table | None = None,
) -> list[Sample]:
    """Return the samples of a shard, sorted by stay, with notes of at most `max_note_characters`.

    UserError if a sample has no course, labels, captions or note rationale.
    """
    stays = [stay for stay in sorted(samples["stay_id"].to_pylist()) if stay in shard]
    columns = {"note": _by_stay(courses, "text"), "diagnoses": _by_stay(labels, "phenotypes")}
    if captions is not None:
        columns["captions"] = _by_stay(captions, "text")
    if notes is not None:
        columns["note_rationale"] = _by_stay(notes, "text")
    for name, column in columns.items():
        lacking = [s for s in stays if s not in column]
        if lacking:
            raise UserError(
                f"{len(lacking)} of {len(stays)} samples have no {name}; the tables come from different runs, so run "
                "the workflow again"
            )
    cuts = {stay: cut_note(columns["note"][stay], max_note_characters) for stay in stays}
    columns |= {name: {s: cut[i] for s, cut in cuts.items()} for i, name in enumerate(("note", "note_cut"))}
    removed = [cut for _, cut in cuts.values() if cut]
    log.info("%d of %d notes are cut, by %d characters in total", len(removed), len(stays), sum(removed))
    return [Sample(s, **{name: column[s] for name, column in columns.items()}) for s in stays]


def corpus(samples: pa.Table, courses: pa.Table) -> list[str]:
    """Return the uncut notes of all samples by stay, for the word frequencies of the template stand-in."""
    notes = _by_stay(courses, "text")
    return [notes[stay] for stay in sorted(samples["stay_id"].to_pylist()) if stay in notes]


def note_rationales(
    samples: list[Sample], prompt: Prompt, examples: list[Example], ask: Ask, notes: list[str]
) -> tuple[pa.Table, Facts]:
    """Return R^m of every sample (equation 2); `notes` is the `corpus`."""
    return _answered(samples, note_requests(samples, prompt, examples, notes), ask)


def lab_rationales(samples: list[Sample], prompt: Prompt, examples: list[Example], ask: Ask) -> tuple[pa.Table, Facts]:
    """Return R^t of every sample (equation 3)."""
    return _answered(samples, lab_requests(samples, prompt, examples), ask)


def note_requests(
    samples: list[Sample], prompt: Prompt, examples: list[Example], notes: Sequence[str] = ()
) -> list[Request]:
    """Return the question for R^m of each sample; `notes` is the `corpus`, which only the template stand-in reads."""
    return [note_request(prompt, examples, s.note, s.diagnoses, notes) for s in samples]


def lab_requests(samples: list[Sample], prompt: Prompt, examples: list[Example]) -> list[Request]:
    """Return the question for R^t of each sample, which contains its note rationale."""
    return [lab_request(prompt, examples, s.note, s.captions, s.diagnoses, s.note_rationale) for s in samples]


def join(shards: Iterable[pa.Table]) -> pa.Table:
    """Return the rationales of all shards, sorted by stay, as if there had been one shard."""
    return pa.concat_tables(shards).sort_by("stay_id").combine_chunks()


def _answered(samples: list[Sample], requests: list[Request], ask: Ask) -> tuple[pa.Table, Facts]:
    answers, facts = ask(requests)
    facts.values |= notes_cut(samples)
    rows = [
        {"stay_id": sample.stay_id, "note_cut": sample.note_cut, **_columns_of(answer)}
        for sample, answer in zip(samples, answers, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=RATIONALES.schema), facts


def notes_cut(samples: Sequence[Sample]) -> dict[str, set[str]]:
    """Return the number of cut notes as a fact for the record."""
    return {"notes cut": {f"{sum(sample.note_cut > 0 for sample in samples)} of {len(samples)}"}}


def _columns_of(answer: Answer) -> dict[str, str | None]:
    problems = "; ".join(answer.problems) or None
    return {"request": answer.request, "text": answer.text.strip(), "status": answer.status, "problems": problems}


def _by_stay(table: pa.Table, column: str) -> dict[int, Any]:
    return dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))
