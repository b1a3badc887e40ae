"""The cohort: ICU stays that the benchmark studies (Harutyunyan et al., 2019)."""

import logging
from pathlib import Path

import pyarrow as pa

from clinragen.config.extract import Cohort
from clinragen.errors import UserError
from clinragen.extract.sources import RawTables
from clinragen.registry.raw import declaration, release_of
from clinragen.schemas.attrition import Attrition

log = logging.getLogger("stays")

# MIMIC shifts the birth of those above 89 by centuries (III) or reports 91 for all of them (IV).
AGE_OF_THE_OLDEST = 90
ALL_STAYS = {
    "mimic3": """
        SELECT s.subject_id::BIGINT AS subject_id, s.hadm_id::BIGINT AS hadm_id, s.icustay_id::BIGINT AS stay_id,
               s.intime::TIMESTAMP_S AS intime, s.outtime::TIMESTAMP_S AS outtime, s.los::DOUBLE * 24 AS los_hours,
               date_diff('second', p.dob::TIMESTAMP_S, s.intime::TIMESTAMP_S) / (365.0 * 24 * 3600) AS age,
               p.gender AS gender,
               NOT coalesce(s.first_careunit = s.last_careunit AND s.first_wardid = s.last_wardid, false) AS transfer
        FROM raw_icustays s
        JOIN raw_admissions a ON a.subject_id::BIGINT = s.subject_id::BIGINT AND a.hadm_id::BIGINT = s.hadm_id::BIGINT
        JOIN raw_patients p ON p.subject_id::BIGINT = s.subject_id::BIGINT""",
    "mimic4": """
        SELECT s.subject_id::BIGINT AS subject_id, s.hadm_id::BIGINT AS hadm_id, s.stay_id::BIGINT AS stay_id,
               s.intime::TIMESTAMP_S AS intime, s.outtime::TIMESTAMP_S AS outtime, s.los::DOUBLE * 24 AS los_hours,
               p.anchor_age::DOUBLE + (year(s.intime::TIMESTAMP_S) - p.anchor_year::INTEGER) AS age,
               p.gender AS gender,
               NOT coalesce(s.first_careunit = s.last_careunit, false) AS transfer
        FROM raw_icustays s
        JOIN raw_admissions a ON a.subject_id::BIGINT = s.subject_id::BIGINT AND a.hadm_id::BIGINT = s.hadm_id::BIGINT
        JOIN raw_patients p ON p.subject_id::BIGINT = s.subject_id::BIGINT""",
}
# The identifier of each table, which must be there once.
KEYS = {
    "mimic3": {"patients": "subject_id", "admissions": "hadm_id", "icustays": "icustay_id"},
    "mimic4": {"patients": "subject_id", "admissions": "hadm_id", "icustays": "stay_id"},
}
# Times are shifted into these years: birth of the oldest patients of MIMIC-III from 1800, the rest from 2100 on.
YEARS = "BETWEEN 1800 AND 2400"
DATES = {
    "mimic3": {"patients": {"dob": "year(dob::TIMESTAMP_S)"}},
    "mimic4": {"patients": {"anchor_year": "anchor_year::INTEGER"}},
}
TIMES = {"intime": "year(intime::TIMESTAMP_S)", "outtime": "year(outtime::TIMESTAMP_S)"}


def check_release(raw: RawTables, dataset: str, release: str, declared: Path) -> pa.Table:
    """Rows of PATIENTS and ICUSTAYS and the release that has so many (RELEASE), if we know one.

    `declared` is resources/raw_tables.yaml. UserError where `release` is another one; empty, it is not checked.
    """
    counts = {t: raw.row(f"SELECT count(*) FROM raw_{t}")[0] for t in ("patients", "icustays")}
    matched, known = release_of(dataset, **counts, declared=declared), declaration(declared)[dataset]["releases"]
    told = f"{counts['patients']} patients and {counts['icustays']} ICU stays"
    where = f"as release {matched} has" if matched else "as no release that we know has"
    log.log(logging.INFO if matched else logging.WARNING, "%s, %s", told, where)
    if release and release not in known:
        raise UserError(f"datasets.{dataset}.release: {release!r} is not known; known are {', '.join(known)}")
    if release and matched != release:
        expected = f"{known[release]['patients']} patients and {known[release]['icustays']} ICU stays"
        files = f"{raw.paths['patients']}, {raw.paths['icustays']}"
        raise UserError(f"{files}: {told}, {where}, but datasets.{dataset}.release is {release}, which has {expected}")
    return pa.table(
        {"dataset": [dataset], "release": pa.array([matched], pa.string()), **{t: [n] for t, n in counts.items()}}
    )


def select_stays(raw: RawTables, dataset: str, cohort: Cohort) -> tuple[pa.Table, pa.Table]:
    """Stays of the cohort (STAYS) and what each rule left over (ATTRITION).

    `dataset` is mimic3 or mimic4. The order of the rules matters: an admission with two stays, one of
    them a transfer, keeps the other one. UserError where the tables contradict themselves or each other.
    """
    _check_keys(raw, dataset)
    _check_times(raw, dataset)
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


def _check_keys(raw: RawTables, dataset: str) -> None:
    """UserError where an identifier is missing or stands twice, or a stay has no admission or patient."""
    for table, key in KEYS[dataset].items():
        rows, named, different = raw.row(
            f"SELECT count(*), count(n), count(DISTINCT n) FROM (SELECT {key}::BIGINT AS n FROM raw_{table})"
        )
        if named < rows:
            raise UserError(f"{raw.paths[table]}: column {key} is empty in {rows - named} of {rows} rows")
        if different < named:
            raise UserError(f"{raw.paths[table]}: column {key} has {named - different} values that occur before")
    for table, keys in (("admissions", ("subject_id", "hadm_id")), ("patients", ("subject_id",))):
        same = " AND ".join(f"t.{k}::BIGINT = s.{k}::BIGINT" for k in keys)
        lost = raw.row(f"SELECT count(*) FROM raw_icustays s ANTI JOIN raw_{table} t ON {same}")[0]
        if lost:
            raise UserError(
                f"{raw.paths['icustays']}: {lost} stays have no row of the same {' and '.join(keys)} in "
                f"{raw.paths[table]}; is the copy complete, and are both of one release?"
            )


def _check_times(raw: RawTables, dataset: str) -> None:
    """UserError where a time is far from those of MIMIC; the log tells of stays that end before they begin."""
    for table, years in ({"icustays": TIMES} | DATES[dataset]).items():
        for column, year in years.items():
            wrong = raw.row(f"SELECT count(*) FROM raw_{table} WHERE {year} NOT {YEARS}")[0]
            if wrong:
                raise UserError(
                    f"{raw.paths[table]}: column {column} is in {wrong} rows outside of the years 1800 to 2400"
                )
    before = raw.row("SELECT count(*) FROM raw_icustays WHERE outtime::TIMESTAMP_S < intime::TIMESTAMP_S")[0]
    if before:
        # No reason to refuse a whole release: nothing is measured in such a stay.
        log.warning("%s: column outtime is before intime in %d rows", raw.paths["icustays"], before)


def _count(raw: RawTables, attrition: Attrition, step: str) -> None:
    counts = raw.row("SELECT count(*), count(DISTINCT hadm_id), count(DISTINCT subject_id) FROM stays")
    attrition.add(step, **dict(zip(("stays", "admissions", "subjects"), counts, strict=True)))
