"""Groups of patients by which scores are compared: age, sex, care unit, insurance."""

import logging

import pyarrow as pa

from clinragen.extract.sources import RawTables

log = logging.getLogger("groups")
UNKNOWN = "unknown"
# The identifier of a stay in ICUSTAYS.
STAY = {"mimic3": "icustay_id", "mimic4": "stay_id"}


def select_groups(raw: RawTables, dataset: str, stays: pa.Table) -> pa.Table:
    """Age, sex, first care unit and insurance of every stay (GROUPS).

    `dataset` is mimic3 or mimic4. What is missing is UNKNOWN, and counted in the log; so is an insurance that the
    table of admissions has no column for.
    """
    raw.add("stays", stays)
    columns = {name.lower() for (name,) in raw.rows("SELECT column_name FROM (DESCRIBE raw_admissions)")}
    insurance = "a.insurance" if "insurance" in columns else "NULL"
    table = raw.query(
        f"""SELECT s.stay_id, s.age, {_text("s.gender")} AS sex, {_text("i.first_careunit")} AS unit,
                   {_text(insurance)} AS insurance
            FROM stays s
            LEFT JOIN raw_icustays i ON i.{STAY[dataset]}::BIGINT = s.stay_id
            LEFT JOIN raw_admissions a ON a.hadm_id::BIGINT = s.hadm_id ORDER BY s.stay_id"""
    )
    for name in ("sex", "unit", "insurance"):
        unknown = table[name].to_pylist().count(UNKNOWN)
        log.log(logging.WARNING if unknown else logging.INFO, "%s: %d of %d stays unknown", name, unknown, len(table))
    return table


def _text(column: str) -> str:
    return f"coalesce(nullif(trim({column}), ''), '{UNKNOWN}')"
