"""Read what a system wrote about a case, and blind it for raters."""

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
    """R^m and R^t as a rater sees them; a part that the system did not write is empty."""

    note: str
    lab: str

    @property
    def missing(self) -> bool:
        """Whether the system wrote nothing at all."""
        return not self.note and not self.lab


@dataclass(frozen=True)
class Written:
    """The rationales and diagnoses of a system for one case; a missing rationale is None."""

    note: str | None
    lab: str | None
    predicted: list[str] | None = None
    """Predicted phenotypes; None if the system was given the diagnoses."""
    true: list[str] | None = None
    """The labels in the table; None for the teacher, whose tables have none."""
    at_limit: bool | None = None
    """Whether the output ends at the token limit; None if unknown."""

    @property
    def blinded(self) -> Text:
        """The rationales without the layout that could identify their author."""
        return Text(blinded(self.note), blinded(self.lab))


def written_by_model(predictions: pa.Table) -> dict[int, Written]:
    """Return the texts of a student or an asked model by stay, from its predictions (`COLUMNS` of PREDICTIONS)."""
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
    """Return the teacher's rationales by stay, from its tables (RATIONALES) on notes and, if given, on labs.

    An empty text counts as missing. Raises UserError if a stay of the first table is not in the second.
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
    """Return the value of each stay; raise UserError that names `place` if a stay has none."""
    if missing := sum(stay not in by_stay for stay in stays):
        raise UserError(
            f"{place}: {missing} of {len(stays)} cases have no row in it, so it is incomplete or from another "
            "cohort; delete it and run again"
        )
    return [by_stay[stay] for stay in stays]


def blinded(text: str | None) -> str:
    """Return a text without markup, line breaks and heading, which could identify a system; empty for None."""
    words = " ".join(_MARKUP.sub("", text or "").split())
    return _HEADING.sub("", words)
