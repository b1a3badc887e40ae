"""The synthetic cohort in the layout of MIMIC-III v1.4: upper-case headers, quoted texts, ICD-9 only."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np

from clinragen.demo import charting, hospital_course
from clinragen.demo.cohort import Admission, Patient, plan_cohort
from clinragen.demo.evidence import Evidence
from clinragen.demo.raw_files import write_table

RELEASE = 3
QUOTED = (
    *("gender", "admission_type", "admission_location", "discharge_location", "insurance", "language", "religion"),
    *("marital_status", "ethnicity", "diagnosis", "dbsource", "first_careunit", "last_careunit", "icd9_code"),
    *("value", "valueuom", "flag", "resultstatus", "stopped", "category", "description", "iserror", "text"),
)
WARDS = {"MICU": 50, "SICU": 33, "CCU": 7, "CSRU": 14, "TSICU": 23}
DAYS_PER_YEAR = 365.2425
WITHOUT_ADMISSION, WITHOUT_STAY = 997, 499
"""Every so many chart rows lack the id of the admission or of the ICU stay."""
NO_NOTE, NO_SECTION, ADDENDUM, INTERIM, ERROR = (41, 13), (37, 17), (23, 4), (43, 9), (47, 19)
"""Which admissions have unusual notes, as divisor and remainder of their number."""


def write_mimic3(
    patients: int,
    seed: int,
    evidence: Evidence,
    items: charting.Items,
    columns: dict[str, list[str]],
    paths: dict[str, Path],
) -> None:
    """Write all tables of a synthetic MIMIC-III; `columns` and `paths` per table as in raw_tables.yaml."""
    cohort = plan_cohort(patients, seed, RELEASE, evidence)
    for table, rows in tables(cohort, seed, evidence, items).items():
        names = [c.upper() for c in columns[table]]
        write_table(paths[table], names, rows, [c.upper() for c in QUOTED])


def subject_id(patient: Patient) -> int:
    """Identifier of a patient."""
    return 10001 + 7 * patient.index


def hadm_id(admission: Admission) -> int:
    """Identifier of an admission."""
    return 100001 + 13 * admission.index


def icustay_id(index: int) -> int:
    """Identifier of an ICU stay."""
    return 200001 + 11 * index


def tables(cohort: list[Patient], seed: int, evidence: Evidence, items: charting.Items) -> dict[str, list[tuple]]:
    """Rows of every table, in the columns' order of resources/raw_tables.yaml."""
    rows: dict[str, list[tuple]] = {
        "patients": [_patient(p) for p in cohort],
        "admissions": [],
        "icustays": [],
        "diagnoses_icd": [],
        "noteevents": [],
    }
    events = []
    for patient in cohort:
        for admission in patient.admissions:
            rng = np.random.default_rng([seed, RELEASE, admission.index])
            rows["admissions"].append(_admission(patient, admission))
            rows["icustays"] += _stays(patient, admission)
            rows["diagnoses_icd"] += _diagnoses(patient, admission, evidence, rng)
            rows["noteevents"] += _notes(patient, admission, evidence, rng)
            events += [(patient, e) for e in charting.chart(admission, evidence, items, rng)]
    dirty = charting.with_dirt([e for _, e in events])
    owned = [(patient, e) for (patient, _), e in zip(events, dirty, strict=True)]
    rows["chartevents"] = list(_chart_rows([(p, e) for p, e in owned if not e.lab]))
    rows["labevents"] = [_lab(p, e) for p, e in owned if e.lab]
    return {table: [(n, *row) for n, row in enumerate(found, 1)] for table, found in rows.items()}


def _patient(patient: Patient) -> tuple:
    first, last = patient.admissions[0], patient.admissions[-1]
    # The release moves the birth of everybody over 89 to 300 years before the first admission.
    years = 300 if patient.age > 89 else patient.age + 0.5
    birth = (first.admitted - timedelta(days=years * DAYS_PER_YEAR)).replace(hour=0, minute=0, second=0, microsecond=0)
    death = last.discharged.replace(hour=0, minute=0, second=0) if last.died else None
    return subject_id(patient), patient.gender, birth, death, death, None, int(last.died)


def _admission(patient: Patient, admission: Admission) -> tuple:
    return (
        subject_id(patient),
        hadm_id(admission),
        admission.admitted,
        admission.discharged,
        admission.discharged if admission.died else None,
        "EMERGENCY" if admission.index % 4 else "ELECTIVE",
        "EMERGENCY ROOM ADMIT" if admission.index % 4 else "PHYS REFERRAL/NORMAL DELI",
        "DEAD/EXPIRED" if admission.died else "HOME",
        "Medicare",
        "ENGL",
        "NOT SPECIFIED",
        "MARRIED",
        "WHITE",
        None,
        None,
        "EVALUATION",
        int(admission.died),
        1,
    )


def _stays(patient: Patient, admission: Admission) -> Iterator[tuple]:
    for stay in admission.stays:
        yield (
            subject_id(patient),
            hadm_id(admission),
            icustay_id(stay.index),
            "metavision" if stay.metavision else "carevue",
            stay.first_unit,
            stay.last_unit,
            WARDS[stay.first_unit],
            WARDS[stay.last_unit] + (2 if stay.ward_moved else 0),
            stay.intime,
            stay.outtime,
            f"{stay.hours / 24:.4f}",
        )


def _diagnoses(patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator) -> Iterator[tuple]:
    codes = [str(rng.choice(evidence.phenotypes[p].icd9)) for p in admission.phenotypes]
    codes += [str(c) for c in rng.permutation(evidence.distractors["icd9"])[: int(rng.integers(1, 4))]]
    for number, code in enumerate(codes, 1):
        yield subject_id(patient), hadm_id(admission), number, code


def _chart_rows(events: list[tuple[Patient, charting.Event]]) -> Iterator[tuple]:
    for number, (patient, event) in enumerate(events):
        yield (
            subject_id(patient),
            None if number % WITHOUT_ADMISSION == 10 else hadm_id(event.admission),
            None if number % WITHOUT_STAY == 20 else icustay_id(event.stay.index),
            event.itemid,
            event.time,
            event.time + timedelta(minutes=12),
            14000 + patient.index % 90,
            event.value,
            None if event.number is None else f"{event.number:g}",
            event.unit,
            0 if event.stay.metavision else None,
            0 if event.stay.metavision else None,
            None,
            None if event.stay.metavision else "NotStopd",
        )


def _lab(patient: Patient, event: charting.Event) -> tuple:
    number = None if event.number is None else f"{event.number:g}"
    flag = "abnormal" if charting.abnormal(event) else None
    return (
        subject_id(patient),
        hadm_id(event.admission),
        event.itemid,
        event.time,
        event.value,
        number,
        event.unit,
        flag,
    )


def _notes(patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator) -> Iterator[tuple]:
    def hits(rule: tuple[int, int]) -> bool:
        return admission.index % rule[0] == rule[1]

    def row(days: int, category: str, description: str, text: str, error: bool = False) -> tuple:
        date = (admission.discharged + timedelta(days=days)).date()
        time = None if category == "Discharge summary" else f"{date} 06:12:00"
        return (
            subject_id(patient),
            hadm_id(admission),
            date,
            time,
            time,
            category,
            description,
            None if time is None else 14000 + patient.index % 90,
            "1" if error else None,
            text,
        )

    if admission.index % 3 == 0:
        yield row(-1, "Nursing", "Nursing Progress Note", "Resting comfortably.\nVital signs as charted.\n")
    if hits(NO_NOTE):
        return
    if hits(INTERIM):
        yield row(-1, "Discharge summary", "Report", "Interim summary.\n\nService:\nMEDICINE\n\nTo be continued.\n")
    heading = None if hits(NO_SECTION) else str(rng.choice(hospital_course.HEADINGS))
    text = hospital_course.discharge_note(admission, patient.gender, evidence, hospital_course.bracketed, heading, rng)
    yield row(0, "Discharge summary", "Report", text)
    if hits(ADDENDUM):
        yield row(1, "Discharge summary", "Addendum", "Name: [**Known lastname 77**]\n\nAddendum:\nDoses reviewed.\n")
    if hits(ERROR):
        wrong = "Brief Hospital Course:\nThis text was dictated for somebody else and entered here by mistake.\n"
        yield row(2, "Discharge summary", "Report", wrong, error=True)
