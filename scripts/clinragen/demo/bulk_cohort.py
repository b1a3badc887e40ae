"""Patients, admissions and ICU stays of a rehearsal, as arrays: sizes and lengths as in MIMIC, no planted evidence."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clinragen.demo.bulk_files import Batch, dates, taken, times
from clinragen.demo.bulk_sizes import Sizes
from clinragen.demo.evidence import Evidence

HOUR, DAY = 3600.0, 86400.0
FIRST_DAY = 140 * 365.25 * DAY
"""The year 2110, in seconds since 1970."""
MINORS, OVER_89, TRANSFERS, DEATHS = 0.155, 0.04, 0.09, 0.1
"""Shares of patients, of stays and of admissions, about those of MIMIC-III."""
MEDIAN_DAYS, SIGMA, MOST_DAYS = 2.1, 1.1, 150.0
"""Length of an ICU stay: log-normal, as the median of 2.1 days in MIMIC-III."""
FIRST_IDS = {"subject": 10_000, "admission": 20_000_000, "stay": 30_000_000}
UNITS = {
    "mimic3": ("MICU", "SICU", "CCU", "CSRU", "TSICU"),
    "mimic4": (
        "Medical Intensive Care Unit (MICU)",
        "Surgical Intensive Care Unit (SICU)",
        "Coronary Care Unit (CCU)",
        "Cardiac Vascular Intensive Care Unit (CVICU)",
        "Trauma SICU (TSICU)",
    ),
}
CODES_OF_BATCH = 250_000
OF_PHENOTYPES = 0.3
"""Share of the billing codes that belong to a phenotype."""


@dataclass(frozen=True)
class Cohort:
    """Owners as indices (stay -> admission -> patient), times in seconds since 1970, age in years.

    Arrays have one value per patient (`age`, `female`), admission (`patient`, `admitted`, `discharged`, `died`) or stay
    (`admission`, `intime`, `outtime`, `unit`, `moved`, `metavision`).
    """

    age: np.ndarray
    female: np.ndarray
    patient: np.ndarray
    admitted: np.ndarray
    discharged: np.ndarray
    died: np.ndarray
    admission: np.ndarray
    intime: np.ndarray
    outtime: np.ndarray
    unit: np.ndarray
    moved: np.ndarray
    metavision: np.ndarray


def draw_cohort(sizes: Sizes, dataset: str, rng: np.random.Generator) -> Cohort:
    """Draw a cohort of these sizes."""
    age = np.where(rng.random(sizes.patients) < MINORS, 0, rng.integers(18, 90, sizes.patients))
    age = np.where(rng.random(sizes.patients) < OVER_89, 93, age)
    patient = _owners(sizes.patients, sizes.admissions, rng)
    first = FIRST_DAY + rng.random(sizes.patients) * 70 * 365 * DAY
    admitted = _whole_minutes(first[patient] + _rank(patient) * 200 * DAY)
    with_stays = np.sort(rng.permutation(sizes.admissions)[: sizes.admissions_with_stays])
    admission = with_stays[_owners(len(with_stays), sizes.stays, rng)]
    lengths = np.clip(rng.lognormal(np.log(MEDIAN_DAYS), SIGMA, sizes.stays), 0.1, MOST_DAYS) * DAY
    intime, outtime = _stays(admission, admitted, lengths, rng)
    left = admitted + DAY
    np.maximum.at(left, admission, outtime)
    return Cohort(
        age=age,
        female=rng.random(sizes.patients) < 0.44,
        patient=patient,
        admitted=admitted,
        discharged=_whole_minutes(left + rng.uniform(0.5, 5, sizes.admissions) * DAY),
        died=rng.random(sizes.admissions) < DEATHS,
        admission=admission,
        intime=intime,
        outtime=outtime,
        unit=rng.integers(len(UNITS[dataset]), size=sizes.stays),
        moved=rng.random(sizes.stays) < TRANSFERS,
        metavision=np.full(sizes.stays, True) if dataset == "mimic4" else rng.random(sizes.stays) < 0.5,
    )


def patients(cohort: Cohort) -> Batch:
    """Return the columns of PATIENTS, of both releases."""
    number = len(cohort.age)
    first, last = np.full(number, np.inf), np.zeros(number)
    np.minimum.at(first, cohort.patient, cohort.admitted)
    np.maximum.at(last, cohort.patient, cohort.discharged)
    first = np.where(np.isinf(first), FIRST_DAY, first)
    dead = np.zeros(number, bool)
    dead[cohort.patient[cohort.died]] = True
    years = np.where(cohort.age > 89, 300, cohort.age + 0.5)
    death = dates(np.where(dead, last, np.nan))
    year = (
        times(first).cast(pa.timestamp("s")).to_numpy(zero_copy_only=False).astype("datetime64[Y]").astype(int) + 1970
    )
    return {
        "row_id": pa.array(np.arange(1, number + 1)),
        "subject_id": subject_ids(np.arange(number)),
        "gender": taken(("M", "F"), cohort.female.astype(int)),
        "dob": times(np.floor((first - years * 365.2425 * DAY) / DAY) * DAY),
        "dod": death,
        "dod_hosp": death,
        "expire_flag": pa.array(dead.astype(int)),
        "anchor_age": pa.array(np.where(cohort.age > 89, 91, cohort.age)),
        "anchor_year": pa.array(year),
        "anchor_year_group": taken(("2011 - 2013",), np.zeros(number, int)),
    }


def admissions(cohort: Cohort, dataset: str) -> Batch:
    """Return the columns of ADMISSIONS, of both releases."""
    number = len(cohort.patient)
    urgent = (np.arange(number) % 4 != 0).astype(int)
    same = np.zeros(number, int)
    old = dataset == "mimic3"
    return {
        "row_id": pa.array(np.arange(1, number + 1)),
        "subject_id": subject_ids(cohort.patient),
        "hadm_id": admission_ids(np.arange(number)),
        "admittime": times(cohort.admitted),
        "dischtime": times(cohort.discharged),
        "deathtime": times(np.where(cohort.died, cohort.discharged, np.nan)),
        "admission_type": taken(("ELECTIVE", "EMERGENCY" if old else "EW EMER."), urgent),
        "admission_location": taken(("PHYS REFERRAL/NORMAL DELI", "EMERGENCY ROOM ADMIT"), urgent),
        "discharge_location": taken(("HOME", "DEAD/EXPIRED" if old else "DIED"), cohort.died.astype(int)),
        "insurance": taken(("Medicare", "Private", "Medicaid"), np.arange(number) % 3),
        "language": taken(("ENGL" if old else "ENGLISH",), same),
        "marital_status": taken(("MARRIED", "SINGLE"), np.arange(number) % 2),
        "ethnicity": taken(("WHITE",), same),
        "race": taken(("WHITE",), same),
        "diagnosis": taken(("EVALUATION",), same),
        "hospital_expire_flag": pa.array(cohort.died.astype(int)),
        "has_chartevents_data": pa.array(same + 1),
    }


def icu_stays(cohort: Cohort, dataset: str) -> Batch:
    """Return the columns of ICUSTAYS, of both releases."""
    number, units = len(cohort.admission), UNITS[dataset]
    ids, last = stay_ids(np.arange(number)), np.where(cohort.moved, (cohort.unit + 1) % len(units), cohort.unit)
    return {
        "row_id": pa.array(np.arange(1, number + 1)),
        "subject_id": subject_ids(cohort.patient[cohort.admission]),
        "hadm_id": admission_ids(cohort.admission),
        "icustay_id": ids,
        "stay_id": ids,
        "dbsource": taken(("carevue", "metavision"), cohort.metavision.astype(int)),
        "first_careunit": taken(units, cohort.unit),
        "last_careunit": taken(units, last),
        "first_wardid": pa.array(cohort.unit + 7),
        "last_wardid": pa.array(last + 7),
        "intime": times(cohort.intime),
        "outtime": times(cohort.outtime),
        "los": pa.array(np.round((cohort.outtime - cohort.intime) / DAY, 4)),
    }


def diagnoses(cohort: Cohort, dataset: str, rows: int, evidence: Evidence, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield the columns of DIAGNOSES_ICD, of both releases."""
    owners = _owners(len(cohort.patient), rows, rng)
    ranks = _rank(owners)
    codes = {version: _codes(evidence, version) for version in (9, 10)}
    for start in range(0, rows, CODES_OF_BATCH):
        owner, rank = owners[start : start + CODES_OF_BATCH], ranks[start : start + CODES_OF_BATCH]
        # One coding system per admission: the hospital changed over on one day.
        old = (owner % 2 == 0) | (dataset == "mimic3")
        drawn = {version: _drawn(*of_version, len(owner), rng) for version, of_version in codes.items()}
        code = pc.if_else(pa.array(old), drawn[9], drawn[10])
        yield {
            "row_id": pa.array(start + np.arange(1, len(owner) + 1)),
            "subject_id": subject_ids(cohort.patient[owner]),
            "hadm_id": admission_ids(owner),
            "seq_num": pa.array(rank + 1),
            "icd9_code": code,
            "icd_code": code,
            "icd_version": pa.array(np.where(old, 9, 10)),
        }


def _codes(evidence: Evidence, version: int) -> tuple[list[str], list[str]]:
    """Return the codes of the phenotypes, and others."""
    planted = [code for p in evidence.phenotypes.values() for code in getattr(p, f"icd{version}")]
    return planted, list(evidence.distractors[f"icd{version}"])


def _drawn(planted: list[str], others: list[str], rows: int, rng: np.random.Generator) -> pa.Array:
    of_phenotype = rng.random(rows) < OF_PHENOTYPES
    other = len(planted) + rng.integers(len(others), size=rows)
    return taken([*planted, *others], np.where(of_phenotype, rng.integers(len(planted), size=rows), other))


def subject_ids(index: np.ndarray) -> pa.Array:
    """Return the identifiers of patients."""
    return pa.array(FIRST_IDS["subject"] + index)


def admission_ids(index: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return the identifiers of admissions, empty where they are missing."""
    return pa.array(FIRST_IDS["admission"] + index, mask=missing)


def stay_ids(index: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return the identifiers of ICU stays, empty where they are missing."""
    return pa.array(FIRST_IDS["stay"] + index, mask=missing)


def _owners(owners: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return the owner of each row in ascending order: one row each while there are rows, the rest at random."""
    more = rng.integers(owners, size=max(0, rows - owners))
    return np.sort(np.concatenate([np.arange(min(owners, rows)), more]))


def _rank(owners: np.ndarray) -> np.ndarray:
    """Return the number of each row among those of its owner, from 0; owners ascend."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    return np.arange(len(owners)) - np.repeat(starts, np.diff(np.append(starts, len(owners))))


def _stays(
    admission: np.ndarray, admitted: np.ndarray, lengths: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return when each stay begins and ends: those of one admission follow each other."""
    gaps = rng.uniform(0.2, 12, len(lengths)) * HOUR
    ends = np.cumsum(gaps + lengths)
    rank = _rank(admission)
    first = np.arange(len(lengths)) - rank
    before = ends[first] - (gaps + lengths)[first]
    outtime = np.round(admitted[admission] + ends - before)
    return np.round(outtime - lengths), outtime


def _whole_minutes(seconds: np.ndarray) -> np.ndarray:
    return np.round(seconds / 60) * 60
