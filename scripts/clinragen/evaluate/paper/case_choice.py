"""Which cases Figure 7 shows: by rules, never by hand (docs/decisions.md, "Figure 7")."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from clinragen.disclosure import shown
from clinragen.rationale.claims import Wordings
from clinragen.registry.phenotypes import NO_DISEASE
from clinragen.schemas.paper import CASE_COUNTS


@dataclass(frozen=True)
class Case:
    """A case of the test split: what is true, what the student says, and what the teacher's rationales do not say."""

    stay: int
    patient: int
    true: frozenset[str]
    predicted: frozenset[str]
    missed_by_teacher: frozenset[str]
    teacher_says_none: bool

    @property
    def recovered(self) -> frozenset[str]:
        """What the student says, is true, and the teacher's rationales do not say."""
        return self.missed_by_teacher & self.predicted

    @property
    def order(self) -> bytes:
        """Random, but the same in every run."""
        return hashlib.sha256(f"figure 7 {self.stay}".encode()).digest()


@dataclass(frozen=True)
class Rule:
    """How a case is chosen: which ones fit, and of these the first in an order, ties by hash."""

    name: str
    fits: Callable[[Case], bool]
    first: Callable[[Case], tuple]


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
        "student wrong: it names none of the true phenotypes",
        lambda case: bool(case.true) and not case.predicted & case.true,
        lambda case: (-len(case.true),),
    ),
)


def make_case(
    stay: int, patient: int, true: list[str], predicted: list[str], teacher: list[str], wordings: Wordings
) -> Case:
    """Read from the teacher's rationales on a case which of the true phenotypes they do not claim."""
    text = " ".join(teacher)
    claims = {name for wording in wordings.claimed(text, []) for name in wordings.phenotypes[wording]}
    says_none = NO_DISEASE in " ".join(text.lower().split())
    return Case(stay, patient, frozenset(true), frozenset(predicted), frozenset(true) - claims, says_none)


def choose(cases: list[Case]) -> dict[str, Case | None]:
    """The case that each rule chooses; None where none fits. A case that an earlier rule took is not taken again."""
    chosen: dict[str, Case | None] = {}
    for rule in RULES:
        taken = {case.stay for case in chosen.values() if case}
        fitting = [case for case in cases if rule.fits(case) and case.stay not in taken]
        chosen[rule.name] = min(fitting, key=lambda case: (*rule.first(case), case.order), default=None)
    return chosen


def case_counts(dataset: str, cases: list[Case]) -> pa.Table:
    """How many cases fit each rule (CASE_COUNTS); empty where few patients are behind it."""
    rows = []
    for rule in RULES:
        fitting = [case for case in cases if rule.fits(case)]
        few = shown(len({case.patient for case in fitting})) is None
        rows.append({"dataset": dataset, "rule": rule.name, "cases": None if few else len(fitting)})
    return pa.Table.from_pylist(rows, schema=CASE_COUNTS.schema)
