"""Rationales of every run and of the teacher, for the same cases in the same order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clinragen.config.evaluate import Compared
from clinragen.errors import UserError
from clinragen.evaluate.written import COLUMNS, Written, of_cases, written_by_model, written_by_teacher
from clinragen.schemas.predictions import PREDICTIONS
from clinragen.schemas.ratings import TEACHER

NOTE, LAB, BOTH = "note", "lab", "both"
PARTS = (NOTE, LAB, BOTH)
BY_TEACHER = "teacher"


@dataclass(frozen=True)
class Cases:
    """The stays whose rationales are compared, ascending, and the patient of each [stays]."""

    stays: list[int]
    patients: np.ndarray
    test: frozenset[int]
    """All stays of the test split."""


@dataclass(frozen=True)
class Texts:
    """The rationales and diagnoses of one run, by case; None is a rationale that the output lacks.

    `predicted` is None if the model was given the diagnoses. `cut` marks outputs that end at the token limit; None if
    unknown.
    """

    model: str
    run: str
    parts: dict[str, list[str | None]]
    true: list[list[str]]
    predicted: list[list[str]] | None = None
    cut: list[bool | None] = field(default_factory=list)

    def part(self, name: str) -> list[str | None] | None:
        """Return the texts of a part, `both` joined; None if the row does not write that part."""
        if name in self.parts:
            return self.parts[name]
        if name != BOTH or set(self.parts) != {NOTE, LAB}:
            return None
        return [_joined(pair) for pair in zip(self.parts[NOTE], self.parts[LAB], strict=True)]


def _joined(pair: Iterable[str | None]) -> str | None:
    texts = [text for text in pair if text is not None]
    return " ".join(text for text in texts if text) if texts else None


def has_text(text: str | None) -> TypeGuard[str]:
    """Return whether a text has any non-blank character."""
    return bool(text and text.strip())


def gather_cases(cases: pa.Table, samples: pa.Table) -> Cases:
    """Return the cases (CASES) with their patients (SAMPLES).

    UserError if there are none, or if one is not in the test split.
    """
    test = samples.filter(pc.equal(samples["split"], "test"))
    patients = _by_stay(test, "subject_id")
    stays = sorted(cases["stay_id"].to_pylist())
    if outside := sum(stay not in patients for stay in stays):
        raise UserError(
            f"{outside} of {len(stays)} cases are not in the test split, so the tables come from different runs; "
            "run the workflow again"
        )
    if not stays:
        raise UserError(
            "there are no cases on which to compare rationales; benchmark/attrition*.csv shows where the test split "
            "lost its stays"
        )
    return Cases(stays, np.array([patients[stay] for stay in stays]), frozenset(patients))


def read_run(path: Path, run: Compared, cases: Cases) -> Texts:
    """Read the rationales of a run from its predictions.

    UserError if a case has no row, a stay is outside the test split, or (from reading the table) a stay occurs twice.
    """
    written = written_by_model(PREDICTIONS.read(path, COLUMNS))
    if extra := sum(stay not in cases.test for stay in written):
        raise UserError(
            f"{path}: {extra} of its stays are not in the test split, so it is from another cohort; "
            "delete it and run again"
        )
    own = of_cases(written, cases.stays, path)
    given = any(each.predicted is None for each in own)
    return Texts(
        run.model,
        run.run,
        _parts(own, run.parts),
        [each.true or [] for each in own],
        None if given else [each.predicted or [] for each in own],
        [each.at_limit for each in own],
    )


def read_teacher(notes: Path, labs: Path, cases: Cases, true: list[list[str]]) -> Texts:
    """Read the rationales of the teacher, which was given the diagnoses `true`; UserError if a case has no row."""
    own = of_cases(written_by_teacher(notes, labs), cases.stays, notes)
    return Texts(TEACHER, BY_TEACHER, _parts(own, (NOTE, LAB)), true)


def _parts(written: Sequence[Written], parts: Sequence[str]) -> dict[str, list[str | None]]:
    texts = {NOTE: [each.note for each in written], LAB: [each.lab for each in written]}
    return {part: texts[part] for part in parts}


def by_case(table: pa.Table, column: str, path: Path, cases: Cases) -> list:
    """Return a column of the table at `path` for each case; UserError if a case has no row."""
    return of_cases(_by_stay(table, column), cases.stays, path)


def _by_stay(table: pa.Table, column: str) -> dict[int, Any]:
    return dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))


def require_same_labels(runs: Sequence[Texts], paths: Sequence[Path], true: list[list[str]]) -> None:
    """Raise UserError if the labels in the predictions of a run differ from those of the cohort."""
    for texts, path in zip(runs, paths, strict=True):
        if different := sum(set(a) != set(b) for a, b in zip(texts.true, true, strict=True)):
            raise UserError(f"{path}: {different} cases have other labels than the cohort; delete it and run again")
