"""The synthetic cohort in the layout of MIMIC-IV: lower-case headers, anchored ages, ICD-9 and ICD-10."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np

from clinragen.demo import charting, hospital_course
from clinragen.demo.cohort import Admission, Patient, plan_cohort
from clinragen.demo.evidence import Evidence
from clinragen.demo.raw_files import write_table

RELEASE = 4
UNITS = {
    "MICU": "Medical Intensive Care Unit (MICU)",
    "SICU": "Surgical Intensive Care Unit (SICU)",
    "CCU": "Coronary Care Unit (CCU)",
    "CSRU": "Cardiac Vascular Intensive Care Unit (CVICU)",
    "TSICU": "Trauma SICU (TSICU)",
}
ANCHOR_OVER_89 = 91
"""The age that the release gives everybody over 89."""
WITHOUT_ADMISSION, WITHOUT_STAY = 997, 499
"""Every so many chart rows lack the id of the admission or of the ICU stay."""
NO_NOTE, NO_SECTION, ADDENDUM, SECOND = (41, 13), (37, 17), (23, 4), (43, 9)
"""Which admissions have unusual notes, as divisor and remainder of their number."""
SUBHEADING = "# ACTIVE ISSUES:"


def write_mimic4(
    patients: int,
    seed: int,
    evidence: Evidence,
    items: charting.Items,
    columns: dict[str, list[str]],
    paths: dict[str, Path],
) -> None:
    """Write all tables of a synthetic MIMIC-IV; `columns` and `paths` per table as in raw_tables.yaml."""
    cohort = plan_cohort(patients, seed, RELEASE, evidence)
    for table, rows in tables(cohort, seed, evidence, items).items():
        write_table(paths[table], columns[table], rows)


def subject_id(patient: Patient) -> int:
    """Identifier of a patient."""
    return 10000032 + 17 * patient.index


def hadm_id(admission: Admission) -> int:
    """Identifier of an admission."""
    return 20000019 + 23 * admission.index


def stay_id(index: int) -> int:
    """Identifier of an ICU stay."""
    return 30000153 + 19 * index


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
    rows["labevents"] = [_lab(n, p, e) for n, (p, e) in enumerate(((p, e) for p, e in owned if e.lab), 1)]
    return rows


def _patient(patient: Patient) -> tuple:
    first, last = patient.admissions[0], patient.admissions[-1]
    age = ANCHOR_OVER_89 if patient.age > 89 else patient.age
    death = last.discharged.date() if last.died else None
    return subject_id(patient), patient.gender, age, first.admitted.year, "2011 - 2013", death


def _admission(patient: Patient, admission: Admission) -> tuple:
    return (
        subject_id(patient),
        hadm_id(admission),
        admission.admitted,
        admission.discharged,
        admission.discharged if admission.died else None,
        "EW EMER." if admission.index % 4 else "ELECTIVE",
        f"P{admission.index % 90:02d}YMR",
        "EMERGENCY ROOM" if admission.index % 4 else "PHYSICIAN REFERRAL",
        "DIED" if admission.died else "HOME",
        "Medicare",
        "ENGLISH",
        "MARRIED",
        "WHITE",
        None,
        None,
        int(admission.died),
    )


def _stays(patient: Patient, admission: Admission) -> Iterator[tuple]:
    for stay in admission.stays:
        yield (
            subject_id(patient),
            hadm_id(admission),
            stay_id(stay.index),
            UNITS[stay.first_unit],
            UNITS[stay.last_unit],
            stay.intime,
            stay.outtime,
            repr(stay.hours / 24),
        )


def _diagnoses(patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator) -> Iterator[tuple]:
    # One coding system per admission: the hospital changed over on one day.
    version = 9 if rng.random() < 0.5 else 10
    codes = [str(rng.choice(getattr(evidence.phenotypes[p], f"icd{version}"))) for p in admission.phenotypes]
    benign = evidence.distractors[f"icd{version}"]
    codes += [str(c) for c in rng.permutation(benign)[: int(rng.integers(1, 4))]]
    for number, code in enumerate(codes, 1):
        yield subject_id(patient), hadm_id(admission), number, code, version


def _chart_rows(events: list[tuple[Patient, charting.Event]]) -> Iterator[tuple]:
    for number, (patient, event) in enumerate(events):
        yield (
            subject_id(patient),
            None if number % WITHOUT_ADMISSION == 10 else hadm_id(event.admission),
            None if number % WITHOUT_STAY == 20 else stay_id(event.stay.index),
            40000 + patient.index % 90,
            event.time,
            event.time + timedelta(minutes=12),
            event.itemid,
            event.value,
            None if event.number is None else f"{event.number:g}",
            event.unit,
            0,
        )


def _lab(number: int, patient: Patient, event: charting.Event) -> tuple:
    low, high = charting.NORMAL_RANGES[event.variable]
    return (
        number,
        subject_id(patient),
        hadm_id(event.admission),
        50000000 + number,
        event.itemid,
        None,
        event.time,
        event.time + timedelta(minutes=47),
        event.value,
        None if event.number is None else f"{event.number:g}",
        event.unit,
        low,
        high,
        "abnormal" if charting.abnormal(event) else None,
        "ROUTINE",
        "___" if number % 29 == 3 else None,
    )


def _notes(patient: Patient, admission: Admission, evidence: Evidence, rng: np.random.Generator) -> Iterator[tuple]:
    def hits(rule: tuple[int, int]) -> bool:
        return admission.index % rule[0] == rule[1]

    def row(kind: str, number: int, text: str) -> tuple:
        # Numbered over all notes of a patient; two admissions must not share an id.
        number += 20 + 5 * patient.admissions.index(admission)
        date = f"{admission.discharged.date()} 00:00:00"
        stored = admission.discharged + timedelta(hours=30)
        subject = subject_id(patient)
        return f"{subject}-{kind}-{number}", subject, hadm_id(admission), kind, number, date, stored, text

    if hits(NO_NOTE):
        return
    if hits(SECOND):
        yield row("DS", 1, "Interim summary.\n\nService:\nMEDICINE\n\nTo be continued.\n")
    heading = None if hits(NO_SECTION) else "Brief Hospital Course:"
    if heading and rng.random() < 0.3:
        heading += f"\n{SUBHEADING}"
    text = hospital_course.discharge_note(
        admission, patient.gender, evidence, hospital_course.underscored, heading, rng
    )
    yield row("DS", 2, text)
    if hits(ADDENDUM):
        yield row("AD", 3, "Name: ___\n\nAddendum:\nDoses reviewed.\n")
