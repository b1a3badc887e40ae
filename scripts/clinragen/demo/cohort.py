"""The plan of the synthetic cohort: who is admitted when, to which unit, with which phenotypes.

The plan does not depend on a release; raw_mimic3 and raw_mimic4 write it in their layouts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from clinragen.demo.evidence import Evidence

UNITS = ("MICU", "SICU", "CCU", "CSRU", "TSICU")
NUMBER_OF_PHENOTYPES = (0.05, 0.30, 0.40, 0.25)
"""Probability of 0, 1, 2 and 3 phenotypes in an admission."""
SHARES = {"transfer": 0.05, "two stays": 0.05, "over 89": 0.05, "two admissions": 0.12}
"""Share of patients of each kind, minors not included."""


@dataclass(frozen=True)
class Stay:
    """One ICU stay; `ward_moved` and different units mark a transfer. `index` numbers the stays of the cohort."""

    index: int
    intime: datetime
    outtime: datetime
    first_unit: str
    last_unit: str
    ward_moved: bool
    metavision: bool

    @property
    def hours(self) -> float:
        """Length in hours."""
        return (self.outtime - self.intime).total_seconds() / 3600


@dataclass(frozen=True)
class Admission:
    """One hospital admission with its true phenotypes, the most billed first."""

    index: int
    admitted: datetime
    discharged: datetime
    died: bool
    phenotypes: tuple[str, ...]
    stays: tuple[Stay, ...]


@dataclass(frozen=True)
class Patient:
    """One patient; age in years at the first admission."""

    index: int
    gender: str
    age: int
    kinds: frozenset[str]
    admissions: tuple[Admission, ...]


def plan_cohort(patients: int, seed: int, release: int, evidence: Evidence) -> list[Patient]:
    """Plan `patients` adults and a few minors; each phenotype is the first one of about equally many admissions.

    `release` (3 or 4) gives the two datasets of one seed different cohorts.
    """
    rng = np.random.default_rng([seed, release])
    minors = max(2, patients // 50)
    kinds = _kinds(patients, rng)
    first = [list(evidence.phenotypes)[i] for i in rng.permutation(len(evidence.phenotypes))]
    cohort, admissions, stays = [], 0, 0
    for index in range(patients + minors):
        kinds_of_patient = kinds[index] if index < patients else frozenset({"minor"})
        planned = []
        admitted = datetime(2110, 1, 1) + timedelta(minutes=int(rng.integers(0, 70 * 365 * 24 * 60)))
        for number in range(2 if "two admissions" in kinds_of_patient else 1):
            phenotypes = draw_phenotypes(first[admissions % len(first)], list(evidence.phenotypes), evidence, rng)
            # MIMIC-IV begins after the change of the charting system.
            metavision = release == 4 or bool(rng.random() < 0.5)
            admission = _admission(admissions, stays, admitted, phenotypes, kinds_of_patient, number, metavision, rng)
            planned.append(admission)
            admissions, stays = admissions + 1, stays + len(admission.stays)
            admitted = admission.discharged + timedelta(
                days=int(rng.integers(30, 500)), minutes=int(rng.integers(1440))
            )
        gender, age = "MF"[int(rng.integers(2))], _age(kinds_of_patient, rng)
        cohort.append(Patient(index, gender, age, kinds_of_patient, tuple(planned)))
    return cohort


def _kinds(patients: int, rng: np.random.Generator) -> list[frozenset[str]]:
    kinds_of: list[set[str]] = [set() for _ in range(patients)]
    for kind, share in SHARES.items():
        for index in rng.permutation(patients)[: max(1, round(share * patients))]:
            kinds_of[index].add(kind)
    return [frozenset(kinds) for kinds in kinds_of]


def _age(kinds: frozenset[str], rng: np.random.Generator) -> int:
    if "minor" in kinds:
        return int(rng.integers(14, 17))
    return int(rng.integers(90, 96)) if "over 89" in kinds else int(rng.integers(20, 87))


def draw_phenotypes(first: str, candidates: list[str], evidence: Evidence, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw up to three phenotypes that can be distinguished in one stay, `first` among them unless there are none."""
    number = int(rng.choice(len(NUMBER_OF_PHENOTYPES), p=NUMBER_OF_PHENOTYPES))
    drawn = [first][:number]
    for candidate in rng.permutation(candidates):
        if len(drawn) >= number:
            break
        if candidate not in drawn and all(evidence.together(str(candidate), other) for other in drawn):
            drawn.append(str(candidate))
    return tuple(drawn)


def _admission(
    index: int,
    first_stay: int,
    admitted: datetime,
    phenotypes: tuple[str, ...],
    kinds: frozenset[str],
    number: int,
    metavision: bool,
    rng: np.random.Generator,
) -> Admission:
    """Plan one admission; the unusual kinds show in the first one, so that a second one may still be kept."""
    odd = kinds if number == 0 else frozenset()
    stays, intime = [], admitted + timedelta(seconds=int(rng.integers(600, 12 * 3600)))
    for n in range(2 if "two stays" in odd else 1):
        outtime = intime + timedelta(seconds=int(rng.integers(12 * 3600, 60 * 3600)))
        unit, other = (str(u) for u in rng.choice(UNITS, 2, replace=False))
        moved = "transfer" in odd
        # Half of the transfers change only the ward, which MIMIC-IV does not record.
        changes_unit = moved and first_stay % 2 == 0
        stays.append(Stay(first_stay + n, intime, outtime, unit, other if changes_unit else unit, moved, metavision))
        intime = outtime + timedelta(seconds=int(rng.integers(6 * 3600, 24 * 3600)))
    discharged = stays[-1].outtime + timedelta(minutes=int(rng.integers(12 * 60, 96 * 60)))
    discharged = discharged.replace(second=0)
    last = number == 1 or "two admissions" not in kinds
    return Admission(index, admitted, discharged, bool(last and rng.random() < 0.08), phenotypes, tuple(stays))
