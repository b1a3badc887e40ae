"""What is compared: the rationales of every run and of the teacher, for the same cases in the same order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clinragen.config.evaluate import Compared
from clinragen.errors import UserError
from clinragen.schemas.evaluate import PREDICTIONS
from clinragen.schemas.ratings import TEACHER
from clinragen.schemas.rationale import RATIONALES

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
    table = PREDICTIONS.read(path)
    rows = _of_cases(table, path, cases)
    given = table["readable"].null_count == table.num_rows
    columns = {NOTE: "note_rationale", LAB: "lab_rationale"}
    return Texts(
        run.model,
        run.run,
        {part: [row[columns[part]] for row in rows] for part in run.parts},
        [row["true"] for row in rows],
        None if given else [row["predicted"] for row in rows],
        [None if row["end"] is None else row["end"] == "limit" for row in rows],
    )


def read_teacher(notes: Path, labs: Path, cases: Cases, true: list[list[str]]) -> Texts:
    """The rationales of the teacher, which was given the diagnoses `true`; an answer without text is a lack of one."""
    parts = {}
    for part, path in ((NOTE, notes), (LAB, labs)):
        parts[part] = [row["text"] or None for row in _of_cases(RATIONALES.read(path), path, cases, all_splits=True)]
    return Texts(TEACHER, BY_TEACHER, parts, true)


def by_case(table: pa.Table, column: str, path: Path, cases: Cases) -> list:
    """A column of a table for each case; UserError where one is missing."""
    return [row[column] for row in _of_cases(table.select(["stay_id", column]), path, cases, all_splits=True)]


def _of_cases(table: pa.Table, path: Path, cases: Cases, all_splits: bool = False) -> list[dict]:
    """The row of each case; `all_splits` says that other stays than those of the test split may be there."""
    stays = table["stay_id"].to_pylist()
    places = {stay: place for place, stay in enumerate(stays)}
    extra = 0 if all_splits else sum(stay not in cases.test for stay in stays)
    missing = sum(stay not in places for stay in cases.stays)
    for number, words in ((missing, "cases have no row in it"), (extra, "of its stays are not in the test split")):
        if number:
            raise UserError(
                f"{path}: {number} {words}, so it is incomplete or from another cohort; delete it and run again"
            )
    return table.take([places[stay] for stay in cases.stays]).to_pylist()


def require_same_labels(runs: Sequence[Texts], paths: Sequence[Path], true: list[list[str]]) -> None:
    """UserError if the predictions of a run carry other labels than those of the cohort."""
    for texts, path in zip(runs, paths, strict=True):
        other = sum(set(a) != set(b) for a, b in zip(texts.true, true, strict=True))
        if other:
            raise UserError(f"{path}: {other} cases have other labels than the cohort; delete it and run again")
