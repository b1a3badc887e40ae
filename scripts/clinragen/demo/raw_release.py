"""The common part of the synthetic raw releases: which rows exist, their identifiers, and which are unusual.

A subclass of `Release` per dataset (raw_mimic3, raw_mimic4) writes the rows in the columns of that release.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from clinragen.demo import charting, hospital_course
from clinragen.demo.cohort import Admission, Patient, plan_cohort
from clinragen.demo.evidence import Evidence
from clinragen.demo.raw_files import write_table

Row = tuple[object, ...]

WITHOUT_ADMISSION, WITHOUT_STAY = (997, 10), (499, 20)
"""Which chart rows lack the id of the admission or of the ICU stay, as divisor and remainder of their number."""
NO_NOTE, NO_SECTION, ADDENDUM, INTERIM, ERROR, NURSING = (41, 13), (37, 17), (23, 4), (43, 9), (47, 19), (3, 0)
"""Which admissions have unusual notes, as divisor and remainder of their number."""


class Identifiers(NamedTuple):
    """Identifiers of one kind: the first one and the distance between two."""

    first: int
    step: int

    def of(self, index: int) -> int:
        """Return the identifier with this index."""
        return self.first + self.step * index


class Keys(NamedTuple):
    """Identifiers of the patient, the admission and the ICU stay of a row; None where the row lacks one."""

    subject: int
    admission: int | None
    stay: int | None


class Release(ABC):
    """A release of MIMIC as the synthetic cohort is written in it."""

    number: ClassVar[int]
    """3 or 4; it keeps the random numbers of the two datasets of one seed apart."""
    subjects: ClassVar[Identifiers]
    admissions: ClassVar[Identifiers]
    stays: ClassVar[Identifiers]
    upper_case: ClassVar[bool]
    """Whether the names of the columns are in upper case."""
    quoted: ClassVar[tuple[str, ...]] = ()
    """Columns whose values are always quoted."""
    row_ids: ClassVar[bool]
    """Whether every table begins with a column that numbers its rows from 1."""
    removed_name: ClassVar[str]
    """The placeholder of a person's name in an addendum."""

    def write(
        self,
        patients: int,
        seed: int,
        evidence: Evidence,
        items: charting.Items,
        columns: dict[str, list[str]],
        paths: dict[str, Path],
    ) -> None:
        """Write all tables of a synthetic cohort; `columns` and `paths` per table as in raw_tables.yaml."""
        cohort = plan_cohort(patients, seed, self.number, evidence)
        for table, rows in self.tables(cohort, seed, evidence, items).items():
            write_table(paths[table], self._names(columns[table]), rows, self._names(self.quoted))

    def _names(self, columns: Iterable[str]) -> list[str]:
        return [name.upper() if self.upper_case else name for name in columns]

    def tables(
        self, cohort: list[Patient], seed: int, evidence: Evidence, items: charting.Items
    ) -> dict[str, list[Row]]:
        """Return the rows of every table, in the columns' order of resources/raw_tables.yaml."""
        rows: dict[str, list[Row]] = {
            "patients": [self.patient(p) for p in cohort],
            "admissions": [],
            "icustays": [],
            "diagnoses_icd": [],
            "noteevents": [],
        }
        events = []
        for patient in cohort:
            for admission in patient.admissions:
                rng = np.random.default_rng([seed, self.number, admission.index])
                rows["admissions"].append(self.admission(patient, admission))
                rows["icustays"] += self.icu_stays(patient, admission)
                rows["diagnoses_icd"] += self.diagnoses(patient, admission, evidence, rng)
                rows["noteevents"] += self._notes(patient, admission, evidence, rng)
                events += [(patient, e) for e in charting.chart(admission, evidence, items, rng)]
        dirty = charting.with_dirt([e for _, e in events])
        owned = [(patient, e) for (patient, _), e in zip(events, dirty, strict=True)]
        rows["chartevents"] = list(self._charts([(p, e) for p, e in owned if not e.lab]))
        labs = [(p, e) for p, e in owned if e.lab]
        rows["labevents"] = [self.lab(number, p, e) for number, (p, e) in enumerate(labs, 1)]
        if self.row_ids:
            return {table: [(number, *row) for number, row in enumerate(of, 1)] for table, of in rows.items()}
        return rows

    def subject_id(self, patient: Patient) -> int:
        """Return the identifier of a patient."""
        return self.subjects.of(patient.index)

    def hadm_id(self, admission: Admission) -> int:
        """Return the identifier of an admission."""
        return self.admissions.of(admission.index)

    def stay_id(self, index: int) -> int:
        """Return the identifier of the ICU stay with this index in the cohort."""
        return self.stays.of(index)

    def _charts(self, events: list[tuple[Patient, charting.Event]]) -> Iterator[Row]:
        for number, (patient, event) in enumerate(events):
            admission = None if _is_hit(WITHOUT_ADMISSION, number) else self.hadm_id(event.admission)
            stay = None if _is_hit(WITHOUT_STAY, number) else self.stay_id(event.stay.index)
            yield self.chart(Keys(self.subject_id(patient), admission, stay), patient, event)

    def _notes(
        self, patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator
    ) -> Iterator[Row]:
        yield from self.notes_of_others(patient, admission)
        if _is_hit(NO_NOTE, admission.index):
            return
        if _is_hit(INTERIM, admission.index):
            text = "Interim summary.\n\nService:\nMEDICINE\n\nTo be continued.\n"
            yield self.note(patient, admission, "interim", text)
        heading = None if _is_hit(NO_SECTION, admission.index) else self.heading(rng)
        text = hospital_course.discharge_note(admission, patient.gender, evidence, self.redact, heading, rng)
        yield self.note(patient, admission, "report", text)
        if _is_hit(ADDENDUM, admission.index):
            text = f"Name: {self.removed_name}\n\nAddendum:\nDoses reviewed.\n"
            yield self.note(patient, admission, "addendum", text)
        yield from self.notes_in_error(patient, admission)

    def notes_of_others(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        """Yield the notes of an admission other than discharge notes."""
        yield from ()

    def notes_in_error(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        """Yield the notes of an admission that the release marks as errors."""
        yield from ()

    @abstractmethod
    def patient(self, patient: Patient) -> Row:
        """Return a row of PATIENTS."""

    @abstractmethod
    def admission(self, patient: Patient, admission: Admission) -> Row:
        """Return a row of ADMISSIONS."""

    @abstractmethod
    def icu_stays(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        """Yield the rows of ICUSTAYS of an admission."""

    @abstractmethod
    def diagnoses(
        self, patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator
    ) -> Iterator[Row]:
        """Yield the rows of DIAGNOSES_ICD of an admission: the codes of its phenotypes, then unrelated ones."""

    @abstractmethod
    def chart(self, keys: Keys, patient: Patient, event: charting.Event) -> Row:
        """Return a row of CHARTEVENTS."""

    @abstractmethod
    def lab(self, number: int, patient: Patient, event: charting.Event) -> Row:
        """Return a row of LABEVENTS, the `number`-th of the table."""

    @abstractmethod
    def note(self, patient: Patient, admission: Admission, kind: str, text: str) -> Row:
        """Return a row of the notes: an `interim` summary, the `report` or an `addendum`."""

    @abstractmethod
    def heading(self, rng: np.random.Generator) -> str:
        """Return the heading of a hospital course."""

    @abstractmethod
    def redact(self, what: str, rng: np.random.Generator) -> str:
        """Return the placeholder of a removed `person`, `place`, `date` or `number`."""


def _is_hit(rule: tuple[int, int], number: int) -> bool:
    return number % rule[0] == rule[1]
