"""What is compared: the rationales of every run and of the teacher, for the same cases in the same order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clinragen.config.evaluate import Compared
from clinragen.errors import UserError
from clinragen.evaluate.written import COLUMNS, Written, of_cases, written_by_model, written_by_teacher
from clinragen.schemas.evaluate import PREDICTIONS
from clinragen.schemas.ratings import TEACHER

NOTE, LAB, BOTH = "note", "lab", "both"
PARTS = (NOTE, LAB, BOTH)
BY_TEACHER = "teacher"


@dataclass(frozen=True)
class Cases:
    """The stays that are compared, ascending, and whose they are."""

    stays: list[int]
    patients: np.ndarray
    test: frozenset[int]
    """The whole test split, of which they are a part."""


@dataclass(frozen=True)
class Texts:
    """The rationales of one run, by case; None is a rationale that the output lacks.

    `predicted` is None for who was given the diagnoses. `cut` says which outputs end at the limit of tokens; None
    where nobody knows.
    """

    model: str
    run: str
    parts: dict[str, list[str | None]]
    true: list[list[str]]
    predicted: list[list[str]] | None = None
    cut: list[bool | None] = field(default_factory=list)

    def part(self, name: str) -> list[str | None] | None:
        """The texts of a part, `both` joined; None where the row does not write it."""
        if name in self.parts:
            return self.parts[name]
        if name != BOTH or set(self.parts) != {NOTE, LAB}:
            return None
        return [_joined(pair) for pair in zip(self.parts[NOTE], self.parts[LAB], strict=True)]


def _joined(pair: Iterable[str | None]) -> str | None:
    found = [text for text in pair if text is not None]
    return " ".join(text for text in found if text) if found else None


def has_text(text: str | None) -> bool:
    """Whether there is anything to compare."""
    return bool(text and text.strip())


def gather_cases(cases: pa.Table, samples: pa.Table) -> Cases:
    """The cases (CASES) with their patients (SAMPLES); UserError if one is not in the test split, or without any."""
    test = samples.filter(pc.equal(samples["split"], "test"))
    patients = dict(zip(test["stay_id"].to_pylist(), test["subject_id"].to_pylist(), strict=True))
    stays = sorted(cases["stay_id"].to_pylist())
    if strange := sum(stay not in patients for stay in stays):
        raise UserError(
            f"{strange} of {len(stays)} cases are not in the test split, so the tables come from different runs; "
            "run the workflow again"
        )
    if not stays:
        raise UserError(
            "there are no cases on which to compare rationales; see benchmark/attrition*.csv for where the "
            "test split lost its stays"
        )
    return Cases(stays, np.array([patients[stay] for stay in stays]), frozenset(patients))


def read_run(path: Path, run: Compared, cases: Cases) -> Texts:
    """The rationales in the predictions of a run; UserError for a case without a row, or a stay that is not tested.

    A stay that occurs twice is refused when the table is read.
    """
    written = written_by_model(PREDICTIONS.read(path, COLUMNS))
    if extra := sum(stay not in cases.test for stay in written):
        raise UserError(
            f"{path}: {extra} of its stays are not in the test split, so it is not of this cohort; delete it and run "
            "again"
        )
    own = of_cases(written, cases.stays, path)
    given = any(each.predicted is None for each in own)
    return Texts(
        run.model,
        run.run,
        _parts(own, run.parts),
        [each.true for each in own],
        None if given else [each.predicted for each in own],
        [each.at_limit for each in own],
    )


def read_teacher(notes: Path, labs: Path, cases: Cases, true: list[list[str]]) -> Texts:
    """The rationales of the teacher, which was given the diagnoses `true`; UserError for a case without a row."""
    own = of_cases(written_by_teacher(notes, labs), cases.stays, notes)
    return Texts(TEACHER, BY_TEACHER, _parts(own, (NOTE, LAB)), true)


def _parts(written: Sequence[Written], parts: Sequence[str]) -> dict[str, list[str | None]]:
    texts = {NOTE: [each.note for each in written], LAB: [each.lab for each in written]}
    return {part: texts[part] for part in parts}


def by_case(table: pa.Table, column: str, path: Path, cases: Cases) -> list:
    """A column of a table for each case; UserError where one is missing."""
    by_stay = dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))
    return of_cases(by_stay, cases.stays, path)


def require_same_labels(runs: Sequence[Texts], paths: Sequence[Path], true: list[list[str]]) -> None:
    """UserError if the predictions of a run carry other labels than those of the cohort."""
    for texts, path in zip(runs, paths, strict=True):
        other = sum(set(a) != set(b) for a, b in zip(texts.true, true, strict=True))
        if other:
            raise UserError(f"{path}: {other} cases have other labels than the cohort; delete it and run again")
