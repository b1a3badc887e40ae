"""The cohort: ICU stays that the benchmark studies (Harutyunyan et al., 2019)."""

import pyarrow as pa

from clinragen.config.extract import Cohort
from clinragen.extract.sources import RawTables
from clinragen.tables.attrition import Attrition

# MIMIC shifts the birth of those above 89 by centuries (III) or reports 91 for all of them (IV).
AGE_OF_THE_OLDEST = 90
ALL_STAYS = {
    "mimic3": """
        SELECT s.subject_id::BIGINT AS subject_id, s.hadm_id::BIGINT AS hadm_id, s.icustay_id::BIGINT AS stay_id,
               s.intime::TIMESTAMP_S AS intime, s.outtime::TIMESTAMP_S AS outtime, s.los::DOUBLE * 24 AS los_hours,
               date_diff('second', p.dob::TIMESTAMP_S, s.intime::TIMESTAMP_S) / (365.0 * 24 * 3600) AS age,
               p.gender AS gender,
               s.first_careunit <> s.last_careunit OR s.first_wardid <> s.last_wardid AS transfer
        FROM raw_icustays s
        JOIN raw_admissions a ON a.subject_id = s.subject_id AND a.hadm_id = s.hadm_id
        JOIN raw_patients p ON p.subject_id = s.subject_id""",
    "mimic4": """
        SELECT s.subject_id::BIGINT AS subject_id, s.hadm_id::BIGINT AS hadm_id, s.stay_id::BIGINT AS stay_id,
               s.intime::TIMESTAMP_S AS intime, s.outtime::TIMESTAMP_S AS outtime, s.los::DOUBLE * 24 AS los_hours,
               p.anchor_age::DOUBLE + (year(s.intime::TIMESTAMP_S) - p.anchor_year::INTEGER) AS age,
               p.gender AS gender,
               s.first_careunit <> s.last_careunit AS transfer
        FROM raw_icustays s
        JOIN raw_admissions a ON a.subject_id = s.subject_id AND a.hadm_id = s.hadm_id
        JOIN raw_patients p ON p.subject_id = s.subject_id""",
}


def select_stays(raw: RawTables, dataset: str, cohort: Cohort) -> tuple[pa.Table, pa.Table]:
    """Stays of the cohort (STAYS) and what each rule left over (ATTRITION).

    `dataset` is mimic3 or mimic4. The order of the rules matters: an admission with two stays, one of
    them a transfer, keeps the other one.
    """
    attrition = Attrition("stays")
    raw.run(f"CREATE TABLE stays AS {ALL_STAYS[dataset]}")
    raw.run(f"UPDATE stays SET age = {AGE_OF_THE_OLDEST} WHERE age > 89 OR age < 0")
    _count(raw, attrition, "ICU stays with an admission and a patient")
    if cohort.exclude_transfers:
        raw.run("DELETE FROM stays WHERE transfer")
        _count(raw, attrition, "no transfer between units")
    if cohort.one_stay_per_admission:
        raw.run("DELETE FROM stays WHERE hadm_id IN (SELECT hadm_id FROM stays GROUP BY hadm_id HAVING count(*) > 1)")
        _count(raw, attrition, "one ICU stay per admission")
    raw.run(f"DELETE FROM stays WHERE age < {cohort.min_age}")
    _count(raw, attrition, f"at least {cohort.min_age:g} years old")
    return raw.query("SELECT * EXCLUDE transfer FROM stays ORDER BY stay_id"), attrition.to_table()


def _count(raw: RawTables, attrition: Attrition, step: str) -> None:
    counts = raw.row("SELECT count(*), count(DISTINCT hadm_id), count(DISTINCT subject_id) FROM stays")
    attrition.add(step, **dict(zip(("stays", "admissions", "subjects"), counts, strict=True)))
