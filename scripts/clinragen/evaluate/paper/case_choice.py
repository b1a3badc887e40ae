"""Select the cases of Figure 7 by fixed rules (docs/decisions.md, "Figure 7")."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from clinragen.disclosure import shown
from clinragen.evaluate.diagnoses import read_diagnoses
from clinragen.rationale.claims import Wordings
from clinragen.schemas.paper import CASE_COUNTS


@dataclass(frozen=True)
class Case:
    """A test case: its phenotypes, those that the student predicts, and those missing from the teacher's rationales."""

    stay: int
    patient: int
    true: frozenset[str]
    predicted: frozenset[str]
    missed_by_teacher: frozenset[str]
    teacher_says_none: bool

    @property
    def recovered(self) -> frozenset[str]:
        """True phenotypes that the student predicts and the teacher's rationales do not claim."""
        return self.missed_by_teacher & self.predicted

    @property
    def f1(self) -> float:
        """F1 of the predicted phenotypes; 0 if there are neither true nor predicted ones."""
        return 2 * len(self.true & self.predicted) / max(len(self.true) + len(self.predicted), 1)

    @property
    def order(self) -> bytes:
        """A sort key in random order that is the same in every run."""
        return hashlib.sha256(f"figure 7 {self.stay}".encode()).digest()


@dataclass(frozen=True)
class Rule:
    """A rule: among the cases that fit it selects the `first` one; a hash breaks ties."""

    name: str
    fits: Callable[[Case], bool]
    first: Callable[[Case], tuple]


WRONG = "student wrong: it names none of the true phenotypes"
RULES = (
    Rule(
        "student right: it names exactly the true phenotypes, and most of them",
        lambda case: bool(case.true) and case.predicted == case.true,
        lambda case: (-len(case.true),),
    ),
    Rule(
        "teacher misses: the student names a phenotype that the teacher's rationales deny or leave out",
        lambda case: bool(case.recovered),
        lambda case: (not case.teacher_says_none, -len(case.recovered), len(case.predicted - case.true)),
    ),
    Rule(
        WRONG,
        lambda case: bool(case.true) and not case.predicted & case.true,
        lambda case: (-len(case.true),),
    ),
)


def make_case(
    stay: int, patient: int, true: list[str], predicted: list[str], teacher: list[str], wordings: Wordings
) -> Case:
    """Return a case; `teacher` are the teacher's rationales on it, which are searched for the true phenotypes."""
    claims, says_none = read_diagnoses(" ".join(teacher), wordings)
    return Case(stay, patient, frozenset(true), frozenset(predicted), frozenset(true) - claims, says_none)


def choose(cases: list[Case]) -> dict[str, Case | None]:
    """Return the case that each rule selects, None if none fits; no case is selected twice."""
    selected: dict[str, Case | None] = {}
    for rule in RULES:
        taken = {case.stay for case in selected.values() if case}
        fitting = [case for case in cases if rule.fits(case) and case.stay not in taken]
        selected[rule.name] = min(fitting, key=lambda case: (*rule.first(case), case.order), default=None)
    return selected


def typical(cases: list[Case]) -> Case | None:
    """Return the case with the median F1, the lower one of two; a hash breaks ties."""
    ranked = sorted(cases, key=lambda case: (case.f1, case.order))
    return ranked[(len(ranked) - 1) // 2] if ranked else None


def case_counts(dataset: str, cases: list[Case]) -> pa.Table:
    """Count the cases that fit each rule (CASE_COUNTS); a count over 1 to 10 patients is empty."""
    rows = []
    for rule in RULES:
        fitting = [case for case in cases if rule.fits(case)]
        few = shown(len({case.patient for case in fitting})) is None
        rows.append({"dataset": dataset, "rule": rule.name, "cases": None if few else len(fitting)})
    return pa.Table.from_pylist(rows, schema=CASE_COUNTS.schema)
