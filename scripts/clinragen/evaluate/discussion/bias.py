"""True diseases that the teacher's note rationales omit, and whether the student's name them.

A rationale names a phenotype if it says in one of its wordings that the patient has it (`Wordings.claimed`); denied,
doubtful or past diseases are not named. The rule is the same for teacher and student. The teacher was given the
diagnoses, the student was not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinragen.disclosure import all_shown
from clinragen.evaluate.diagnoses import read_diagnoses
from clinragen.evaluate.discussion.resample import Estimate, Patients
from clinragen.evaluate.discussion.scores import ALL
from clinragen.evaluate.stats.classification import ratio
from clinragen.rationale.claims import Wordings
from clinragen.schemas.ratings import TEACHER

NET = "found minus lost"


@dataclass(frozen=True)
class Texts:
    """The diagnoses in the note rationales of each test sample."""

    named: np.ndarray
    """Named phenotypes: booleans [samples, phenotypes]. A wording of several phenotypes names them all."""
    none: np.ndarray
    """Whether the rationale says that there is no disease: booleans [samples]."""
    meant: list[list[frozenset[int]]]
    """For each sample the diseases that are named, each by the numbers of the phenotypes that its wording may mean."""


def read_texts(texts: Sequence[str | None], phenotypes: Sequence[str], wordings: Wordings) -> Texts:
    """Read the diagnoses in note rationales; a missing rationale names nothing."""
    named = np.zeros((len(texts), len(phenotypes)), dtype=bool)
    none = np.zeros(len(texts), dtype=bool)
    numbers = {phenotype: n for n, phenotype in enumerate(phenotypes)}
    meant = []
    for n, text in enumerate(texts):
        claimed, none[n] = read_diagnoses(text or "", wordings)
        named[n] = [phenotype in claimed for phenotype in phenotypes]
        diseases = wordings.named(text or "").values()
        meant.append([frozenset(numbers[name] for name in disease if name in numbers) for disease in diseases])
    return Texts(named, none, meant)


def bias(true: np.ndarray, teacher: Texts, students: Sequence[Texts], student: str, patients: Patients) -> list[dict]:
    """Return rows of DISCUSSION about the note rationales; `true` are booleans [samples, phenotypes].

    Counts are summed over the runs of the student. If a count would reveal few patients, all shares that it could be
    derived from are empty.
    """
    return [
        *_about_no_disease(true, teacher, students, student, patients),
        *_about_diseases(true, teacher, students, student, patients),
        *_about_untrue(true, teacher, students, student, patients),
    ]


def _about_no_disease(
    true: np.ndarray, teacher: Texts, students: Sequence[Texts], student: str, patients: Patients
) -> Iterator[dict]:
    """Yield how often rationales say "no disease" about samples with diseases."""
    ill = true.any(axis=1)
    shape = (len(students), len(true))
    says = np.broadcast_to(ill & teacher.none, shape)
    student_says = np.array([ill & s.none for s in students]).reshape(shape)
    names = np.array([(s.named & true).any(axis=1) & ~s.none for s in students]).reshape(shape)
    corrected = says & names
    columns = [np.broadcast_to(ill, shape), says, student_says, corrected]

    def shares(sums: np.ndarray) -> np.ndarray:
        all_ill, of_teacher, of_student, of_both = sums.T
        return np.stack([ratio(of_teacher, all_ill), ratio(of_student, all_ill), ratio(of_both, of_teacher)], axis=1)

    # The rows on untrue diseases have the number of all stays, so that of the healthy ones follows as well.
    cells = [corrected, says & ~names, student_says & ~says, ill & ~says & ~student_says, np.broadcast_to(~ill, shape)]
    seen = _all_seen(cells, patients)
    estimates = patients.estimate(_added(columns), shares)
    n = int(ill.sum()) * len(students)
    yield _row(TEACHER, "says no disease, of stays with diseases", estimates[0], n, seen)
    yield _row(student, "says no disease, of stays with diseases", estimates[1], n, seen)
    measure = "names a true disease, of stays of which the teacher says no disease"
    if says.any() or not seen:
        yield _row(student, measure, estimates[2], int(says.sum()), seen)


def _about_diseases(
    true: np.ndarray, teacher: Texts, students: Sequence[Texts], student: str, patients: Patients
) -> Iterator[dict]:
    """Yield how many true diseases are named by the teacher, the student, both or neither."""
    shape = (len(students), *true.shape)
    named = np.array([s.named for s in students]).reshape(shape)
    pairs, of_teacher = np.broadcast_to(true, shape), np.broadcast_to(teacher.named, shape)
    found, lost = pairs & named & ~of_teacher, pairs & ~named & of_teacher
    neither, both = pairs & ~named & ~of_teacher, pairs & named & of_teacher
    columns = [part.sum(axis=2) for part in (pairs, found, lost, neither, both)]

    def shares(sums: np.ndarray) -> np.ndarray:
        every, only_student, only_teacher, nobody, everybody = sums.T
        quotients = [
            ratio(only_student + nobody, every),
            ratio(only_teacher + nobody, every),
            ratio(only_student, only_student + nobody),
            ratio(only_teacher, only_teacher + everybody),
            ratio(only_student - only_teacher, every),
        ]
        return np.stack(quotients, axis=1)

    seen = _all_seen([part.any(axis=2) for part in (found, lost, neither, both)], patients)
    estimates = patients.estimate(_added(columns), shares)
    every, missed, kept = (int(part.sum()) for part in (pairs, found | neither, lost | both))
    yield _row(TEACHER, "does not name, of true diseases", estimates[0], every, seen)
    yield _row(student, "does not name, of true diseases", estimates[1], every, seen)
    yield _row(student, "names, of true diseases that the teacher does not name (found)", estimates[2], missed, seen)
    yield _row(student, "does not name, of true diseases that the teacher names (lost)", estimates[3], kept, seen)
    yield _row(student, NET, estimates[4], every, seen)


def _about_untrue(
    true: np.ndarray, teacher: Texts, students: Sequence[Texts], student: str, patients: Patients
) -> Iterator[dict]:
    """Yield how many named diseases are not true: the price of naming more.

    A wording of several phenotypes is true if one of them is.
    """
    truth = [set(np.flatnonzero(row)) for row in true]
    for model, texts in ((TEACHER, [teacher]), (student, students)):
        untrue = np.array(
            [
                [sum(not disease & t for disease in own) for own, t in zip(run.meant, truth, strict=True)]
                for run in texts
            ]
        )
        columns = [np.ones_like(untrue), untrue]
        (per_stay,) = patients.estimate(_added(columns), lambda sums: ratio(sums[:, 1:], sums[:, :1]))
        seen = _all_seen([untrue > 0, untrue == 0], patients)
        yield _row(model, "untrue diseases named, per stay", per_stay, untrue.size, seen)


def _added(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Sum counts [runs, samples] over the runs; return them as columns [samples, columns]."""
    return np.stack([np.asarray(column, np.int32).sum(axis=0) for column in columns], axis=1)


def _all_seen(cells: Sequence[np.ndarray], patients: Patients) -> bool:
    """Return whether none of the cells [runs, samples], which follow from the shares, is about few patients."""
    return all_shown(len(patients.behind(np.any(cell, axis=0))) for cell in cells)


def _row(model: str, measure: str, share: Estimate, n: int, seen: bool) -> dict[str, Any]:
    """Return a row of DISCUSSION: hidden unless `seen`; a share of nothing has no value and n = 0."""
    values: dict[str, Any] = {"n": n} if seen else {}
    if seen and n:
        values |= share._asdict()
    return {"question": "bias", "model": model, "group": ALL, "measure": measure} | values
