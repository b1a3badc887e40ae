"""The synthetic cohort in the layout of MIMIC-III v1.4: upper-case headers, quoted texts, ICD-9 only."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from clinragen.demo import charting, hospital_course
from clinragen.demo.cohort import Admission, Patient
from clinragen.demo.evidence import Evidence
from clinragen.demo.raw_release import ERROR, NURSING, Identifiers, Keys, Release, Row

WARDS = {"MICU": 50, "SICU": 33, "CCU": 7, "CSRU": 14, "TSICU": 23}
DAYS_PER_YEAR = 365.2425
SUMMARY = "Discharge summary"
NOTES = {
    "nursing": (-1, "Nursing", "Nursing Progress Note"),
    "interim": (-1, SUMMARY, "Report"),
    "report": (0, SUMMARY, "Report"),
    "addendum": (1, SUMMARY, "Addendum"),
    "error": (2, SUMMARY, "Report"),
}
"""Days after the discharge, category and description of each kind of note."""


class Mimic3(Release):
    """MIMIC-III v1.4."""

    number = 3
    subjects, admissions, stays = Identifiers(10001, 7), Identifiers(100001, 13), Identifiers(200001, 11)
    upper_case = row_ids = True
    quoted = (
        *("gender", "admission_type", "admission_location", "discharge_location", "insurance", "language", "religion"),
        *("marital_status", "ethnicity", "diagnosis", "dbsource", "first_careunit", "last_careunit", "icd9_code"),
        *("value", "valueuom", "flag", "resultstatus", "stopped", "category", "description", "iserror", "text"),
    )
    removed_name = "[**Known lastname 77**]"

    def patient(self, patient: Patient) -> Row:
        first, last = patient.admissions[0], patient.admissions[-1]
        # The release moves the birth of everybody over 89 to 300 years before the first admission.
        years = 300 if patient.age > 89 else patient.age + 0.5
        birth = first.admitted - timedelta(days=years * DAYS_PER_YEAR)
        birth = birth.replace(hour=0, minute=0, second=0, microsecond=0)
        death = last.discharged.replace(hour=0, minute=0, second=0) if last.died else None
        return self.subject_id(patient), patient.gender, birth, death, death, None, int(last.died)

    def admission(self, patient: Patient, admission: Admission) -> Row:
        return (
            self.subject_id(patient),
            self.hadm_id(admission),
            admission.admitted,
            admission.discharged,
            admission.discharged if admission.died else None,
            "EMERGENCY" if admission.index % 4 else "ELECTIVE",
            "EMERGENCY ROOM ADMIT" if admission.index % 4 else "PHYS REFERRAL/NORMAL DELI",
            "DEAD/EXPIRED" if admission.died else "HOME",
            *("Medicare", "ENGL", "NOT SPECIFIED", "MARRIED", "WHITE", None, None, "EVALUATION"),
            int(admission.died),
            1,
        )

    def icu_stays(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        for stay in admission.stays:
            yield (
                self.subject_id(patient),
                self.hadm_id(admission),
                self.stay_id(stay.index),
                "metavision" if stay.metavision else "carevue",
                stay.first_unit,
                stay.last_unit,
                WARDS[stay.first_unit],
                WARDS[stay.last_unit] + (2 if stay.ward_moved else 0),
                stay.intime,
                stay.outtime,
                f"{stay.hours / 24:.4f}",
            )

    def diagnoses(
        self, patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator
    ) -> Iterator[Row]:
        codes = [str(rng.choice(evidence.phenotypes[p].icd9)) for p in admission.phenotypes]
        codes += [str(c) for c in rng.permutation(evidence.distractors["icd9"])[: int(rng.integers(1, 4))]]
        for number, code in enumerate(codes, 1):
            yield self.subject_id(patient), self.hadm_id(admission), number, code

    def chart(self, keys: Keys, patient: Patient, event: charting.Event) -> Row:
        metavision = event.stay.metavision
        return (
            *keys,
            event.itemid,
            event.time,
            event.time + timedelta(minutes=12),
            _caregiver(patient),
            event.value,
            event.number_as_text,
            event.unit,
            *((0, 0) if metavision else (None, None)),
            None,
            None if metavision else "NotStopd",
        )

    def lab(self, number: int, patient: Patient, event: charting.Event) -> Row:
        return (
            self.subject_id(patient),
            self.hadm_id(event.admission),
            event.itemid,
            event.time,
            event.value,
            event.number_as_text,
            event.unit,
            "abnormal" if charting.abnormal(event) else None,
        )

    def note(self, patient: Patient, admission: Admission, kind: str, text: str) -> Row:
        days, category, description = NOTES[kind]
        date = (admission.discharged + timedelta(days=days)).date()
        time = None if category == SUMMARY else f"{date} 06:12:00"
        return (
            self.subject_id(patient),
            self.hadm_id(admission),
            date,
            time,
            time,
            category,
            description,
            None if time is None else _caregiver(patient),
            "1" if kind == "error" else None,
            text,
        )

    def notes_of_others(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        if admission.index % NURSING[0] == NURSING[1]:
            yield self.note(patient, admission, "nursing", "Resting comfortably.\nVital signs as charted.\n")

    def notes_in_error(self, patient: Patient, admission: Admission) -> Iterator[Row]:
        if admission.index % ERROR[0] == ERROR[1]:
            text = "Brief Hospital Course:\nThis text was dictated for somebody else and entered here by mistake.\n"
            yield self.note(patient, admission, "error", text)

    def heading(self, rng: np.random.Generator) -> str:
        return str(rng.choice(hospital_course.HEADINGS))

    def redact(self, what: str, rng: np.random.Generator) -> str:
        return hospital_course.bracketed(what, rng)


def _caregiver(patient: Patient) -> int:
    return 14000 + patient.index % 90
