"""What a system wrote about a case, read from its tables, and how it is shown to whoever rates it blindly."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.schemas.rationale import RATIONALES

COLUMNS = ("stay_id", "note_rationale", "lab_rationale", "predicted", "readable", "true", "end")
"""Columns of PREDICTIONS that `written_by_model` reads."""
_MARKUP = re.compile(r"[*_`#]+")
_HEADING = re.compile(r"^(?:(?:note|lab|medical note-based|lab test-based) )?rationale\s*:\s*", re.IGNORECASE)
Value = TypeVar("Value")


class Text(NamedTuple):
    """R^m and R^t as a rater sees them; an empty part is one that the system did not write."""

    note: str
    lab: str

    @property
    def missing(self) -> bool:
        """Whether the system wrote nothing at all."""
        return not self.note and not self.lab


@dataclass(frozen=True)
class Written:
    """What a system wrote about a case, and what it names; None is a rationale that is missing."""

    note: str | None
    lab: str | None
    predicted: list[str] | None = None
    """None for who was given the diagnoses."""
    true: list[str] | None = None
    """The labels that the table carries; None for the teacher, whose tables have none."""
    at_limit: bool | None = None
    """Whether the output ends at the limit of tokens; None where nobody knows."""

    @property
    def blinded(self) -> Text:
        """The rationales without what only their layout says of who wrote them."""
        return Text(blinded(self.note), blinded(self.lab))


def written_by_model(predictions: pa.Table) -> dict[int, Written]:
    """What a student or a model that is asked wrote, by stay, from its predictions (`COLUMNS` of PREDICTIONS)."""
    rows = predictions.select(COLUMNS).to_pylist()
    given = all(row["readable"] is None for row in rows)
    return {
        row["stay_id"]: Written(
            row["note_rationale"],
            row["lab_rationale"],
            None if given else row["predicted"],
            row["true"],
            None if row["end"] is None else row["end"] == "limit",
        )
        for row in rows
    }


def written_by_teacher(notes: Path, labs: Path | None = None) -> dict[int, Written]:
    """The teacher's rationales by stay, from its tables (RATIONALES) on notes and, where it has any, on labs.

    An answer without text is a lack of one. UserError if a stay of the first table is not in the second.
    """
    of_notes = _texts(notes)
    of_labs = _texts(labs) if labs else dict.fromkeys(of_notes)
    on_labs = of_cases(of_labs, list(of_notes), labs or notes)
    return {stay: Written(text, lab) for (stay, text), lab in zip(of_notes.items(), on_labs, strict=True)}


def _texts(path: Path) -> dict[int, str | None]:
    table = RATIONALES.read(path, ("stay_id", "text"))
    texts = (text or None for text in table["text"].to_pylist())
    return dict(zip(table["stay_id"].to_pylist(), texts, strict=True))


def of_cases(by_stay: Mapping[int, Value], stays: Sequence[int], place: Path | str) -> list[Value]:
    """What there is about each of the stays; UserError naming `place` if there is nothing about one of them."""
    if missing := sum(stay not in by_stay for stay in stays):
        raise UserError(
            f"{place}: {missing} of {len(stays)} cases have no row in it, so it is not of this cohort, or incomplete; "
            "delete it and run again"
        )
    return [by_stay[stay] for stay in stays]


def blinded(text: str | None) -> str:
    """A text without markup, line breaks and a heading, which would tell one system from another; empty for None."""
    words = " ".join(_MARKUP.sub("", text or "").split())
    return _HEADING.sub("", words)
