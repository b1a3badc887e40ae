"""The synthetic cohort in the layout of MIMIC-IV: lower-case headers, anchored ages, ICD-9 and ICD-10."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from clinragen.demo import charting
from clinragen.demo.cohort import Admission, Patient
from clinragen.demo.evidence import Evidence
from clinragen.demo.raw_release import Identifiers, Keys, Release, Row

UNITS = {
    "MICU": "Medical Intensive Care Unit (MICU)",
    "SICU": "Surgical Intensive Care Unit (SICU)",
    "CCU": "Coronary Care Unit (CCU)",
    "CSRU": "Cardiac Vascular Intensive Care Unit (CVICU)",
    "TSICU": "Trauma SICU (TSICU)",
}
ANCHOR_OVER_89 = 91
"""The age that the release gives everybody over 89."""
NOTES = {"interim": ("DS", 1), "report": ("DS", 2), "addendum": ("AD", 3)}
"""Type and number within an admission of each kind of note."""
SUBHEADING = "# ACTIVE ISSUES:"


class Mimic4(Release):
    """MIMIC-IV 3.1 with MIMIC-IV-Note."""

    number = 4
    subjects, admissions = Identifiers(10000032, 17), Identifiers(20000019, 23)
    stays = Identifiers(30000153, 19)
    upper_case = row_ids = False
    removed_name = "___"

    def patient(self, patient: Patient) -> Row:
        first, last = patient.admissions[0], patient.admissions[-1]
        age = ANCHOR_OVER_89 if patient.age > 89 else patient.age
        death = last.discharged.date() if last.died else None
        return self.subject_id(patient), patient.gender, age, first.admitted.year, "2011 - 2013", death

    def admission(self, patient: Patient, admission: Admission) -> Row:
        return (
            self.subject_id(patient),
            self.hadm_id(admission),
            admission.admitted,
            admission.discharged,
            admission.discharged if admission.died else None,
            "EW EMER." if admission.index % 4 else "ELECTIVE",
            f"P{admission.index % 90:02d}YMR",
            "EMERGENCY ROOM" if admission.index % 4 else "PHYSICIAN REFERRAL",
            "DIED" if admission.died else "HOME",
            *("Medicare", "ENGLISH", "MARRIED", "WHITE", None, None),
            int(admission.died),
        )

    def icu_stays(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        for stay in admission.stays:
            yield (
                self.subject_id(patient),
                self.hadm_id(admission),
                self.stay_id(stay.index),
                UNITS[stay.first_unit],
                UNITS[stay.last_unit],
                stay.intime,
                stay.outtime,
                repr(stay.hours / 24),
            )

    def diagnoses(
        self, patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator
    ) -> Iterator[Row]:
        # One coding system per admission: the hospital changed over on one day.
        version = 9 if rng.random() < 0.5 else 10
        codes = [str(rng.choice(getattr(evidence.phenotypes[p], f"icd{version}"))) for p in admission.phenotypes]
        benign = evidence.distractors[f"icd{version}"]
        codes += [str(c) for c in rng.permutation(benign)[: int(rng.integers(1, 4))]]
        for number, code in enumerate(codes, 1):
            yield self.subject_id(patient), self.hadm_id(admission), number, code, version

    def chart(self, keys: Keys, patient: Patient, event: charting.Event) -> Row:
        return (
            *keys,
            40000 + patient.index % 90,
            event.time,
            event.time + timedelta(minutes=12),
            event.itemid,
            event.value,
            event.number_as_text,
            event.unit,
            0,
        )

    def lab(self, number: int, patient: Patient, event: charting.Event) -> Row:
        low, high = charting.NORMAL_RANGES[event.variable]
        return (
            number,
            self.subject_id(patient),
            self.hadm_id(event.admission),
            50000000 + number,
            event.itemid,
            None,
            event.time,
            event.time + timedelta(minutes=47),
            event.value,
            event.number_as_text,
            event.unit,
            low,
            high,
            "abnormal" if charting.abnormal(event) else None,
            "ROUTINE",
            "___" if number % 29 == 3 else None,
        )

    def note(self, patient: Patient, admission: Admission, kind: str, text: str) -> Row:
        letters, number = NOTES[kind]
        # Numbered over all notes of a patient; two admissions must not share an id.
        number += 20 + 5 * patient.admissions.index(admission)
        date = f"{admission.discharged.date()} 00:00:00"
        stored = admission.discharged + timedelta(hours=30)
        subject = self.subject_id(patient)
        note_id = f"{subject}-{letters}-{number}"
        return note_id, subject, self.hadm_id(admission), letters, number, date, stored, text

    def heading(self, rng: np.random.Generator) -> str:
        return "Brief Hospital Course:" + (f"\n{SUBHEADING}" if rng.random() < 0.3 else "")

    def redact(self, what: str, rng: np.random.Generator) -> str:
        return "___"
