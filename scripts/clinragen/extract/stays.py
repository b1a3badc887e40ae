"""The cohort: ICU stays by the rules of the benchmark (Harutyunyan et al., 2019)."""

import logging
from pathlib import Path

import pyarrow as pa

from clinragen.config.extract import Cohort
from clinragen.errors import UserError
from clinragen.extract.layout import Layout
from clinragen.extract.sources import RawTables
from clinragen.registry.raw import ANY_RELEASE, declaration, release_of, unknown_release
from clinragen.schemas.attrition import Attrition

log = logging.getLogger("stays")

# MIMIC shifts the birth of those above 89 by centuries (III) or reports 91 for all of them (IV).
AGE_OF_THE_OLDEST = 90
# Times are shifted into these years: birth of the oldest patients of MIMIC-III from 1800, the rest from 2100 on.
YEARS = "BETWEEN 1800 AND 2400"
# Single stays of a release may end before they begin; more of them are swapped or damaged columns.
MOST_REVERSED = 0.01
TIMES = {"intime": "year(intime::TIMESTAMP_S)", "outtime": "year(outtime::TIMESTAMP_S)"}


def check_release(raw: RawTables, dataset: str, release: str, declared: Path) -> pa.Table:
    """Return the rows of PATIENTS and ICUSTAYS and the release that has as many, or null (RELEASE).

    `release` is datasets.*.release: a release, "any" to leave the tables unchecked, or empty to recognise it.
    `declared` is resources/raw_tables.yaml. UserError where the tables are not of that release, or ADMISSIONS has
    another number of rows than in it.
    """
    counts = {t: raw.row(f"SELECT count(*) FROM raw_{t}")[0] for t in ("patients", "icustays")}
    if release and (problem := unknown_release(dataset, release, declared)):
        raise UserError(problem)
    matched = None if release == ANY_RELEASE else release_of(dataset, **counts, declared=declared)
    fact = f"{counts['patients']} patients and {counts['icustays']} ICU stays"
    which = f"matching release {matched}" if matched else "matching no known release"
    if release == ANY_RELEASE:
        log.info("%s; datasets.%s.release is any: numbers of rows are not checked", fact, dataset)
    else:
        log.log(logging.INFO if matched else logging.WARNING, "%s, %s", fact, which)
        if release and matched != release:
            expected = declaration(declared)[dataset]["releases"][release]
            raise UserError(
                f"{raw.paths['patients']}, {raw.paths['icustays']}: {fact}, {which}, but datasets.{dataset}.release is "
                f"{release}, which has {expected['patients']} patients and {expected['icustays']} ICU stays"
            )
    raw.expect_release(dataset, matched, declared)
    raw.check_rows({"admissions": raw.row("SELECT count(*) FROM raw_admissions")[0]})
    return pa.table(
        {"dataset": [dataset], "release": pa.array([matched], pa.string()), **{t: [n] for t, n in counts.items()}}
    )


def select_stays(raw: RawTables, layout: Layout, cohort: Cohort) -> tuple[pa.Table, pa.Table]:
    """Return the stays of the cohort (STAYS) and the rows remaining after each rule (ATTRITION).

    The order of the rules matters: an admission with two stays, one of them a transfer, keeps the other one.
    UserError where the tables contradict themselves or each other.
    """
    _check_keys(raw, layout)
    _check_times(raw, layout)
    attrition = Attrition("stays")
    raw.run(f"CREATE TABLE stays AS {layout.stays}")
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


def _check_keys(raw: RawTables, layout: Layout) -> None:
    """Raise UserError if an identifier is missing or occurs twice, or if a stay has no admission or patient."""
    for table, key in layout.keys.items():
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


def _check_times(raw: RawTables, layout: Layout) -> None:
    """Raise UserError if a time is far from those of MIMIC, or if more than a few stays end before they begin."""
    for table, years in ({"icustays": TIMES} | dict(layout.years)).items():
        for column, year in years.items():
            wrong = raw.row(f"SELECT count(*) FROM raw_{table} WHERE {year} NOT {YEARS}")[0]
            if wrong:
                raise UserError(
                    f"{raw.paths[table]}: column {column} is in {wrong} rows outside of the years 1800 to 2400"
                )
    rows, reversed_ = raw.row(
        "SELECT count(*), count(*) FILTER (outtime::TIMESTAMP_S < intime::TIMESTAMP_S) FROM raw_icustays"
    )
    fact = f"{raw.paths['icustays']}: column outtime is before intime in {reversed_} of {rows} rows"
    if reversed_ > MOST_REVERSED * rows:
        raise UserError(f"{fact}; are the columns swapped or the times damaged?")
    if reversed_:
        log.warning("%s; nothing was measured in these stays", fact)


def _count(raw: RawTables, attrition: Attrition, step: str) -> None:
    counts = raw.row("SELECT count(*), count(DISTINCT hadm_id), count(DISTINCT subject_id) FROM stays")
    attrition.add(step, **dict(zip(("stays", "admissions", "subjects"), counts, strict=True)))
