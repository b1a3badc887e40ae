"""Groups of patients by which scores are compared: age, sex, care unit, insurance."""

import logging

import pyarrow as pa

from clinragen.extract.layout import Layout
from clinragen.extract.sources import RawTables

log = logging.getLogger("groups")
UNKNOWN = "unknown"


def select_groups(raw: RawTables, layout: Layout, stays: pa.Table) -> pa.Table:
    """Return age, sex, first care unit and insurance of every stay (GROUPS).

    A missing value becomes UNKNOWN and is counted in the log, as is every insurance of a copy without that column.
    """
    raw.add("stays", stays)
    columns = {name.lower() for (name,) in raw.rows("SELECT column_name FROM (DESCRIBE raw_admissions)")}
    insurance = "a.insurance" if "insurance" in columns else "NULL"
    table = raw.query(
        f"""SELECT s.stay_id, s.age, {_text("s.gender")} AS sex, {_text("i.first_careunit")} AS unit,
                   {_text(insurance)} AS insurance
            FROM stays s
            LEFT JOIN raw_icustays i ON i.{layout.stay_id}::BIGINT = s.stay_id
            LEFT JOIN raw_admissions a ON a.hadm_id::BIGINT = s.hadm_id ORDER BY s.stay_id"""
    )
    for name in ("sex", "unit", "insurance"):
        unknown = table[name].to_pylist().count(UNKNOWN)
        log.log(logging.WARNING if unknown else logging.INFO, "%s: %d of %d stays unknown", name, unknown, len(table))
    return table


def _text(column: str) -> str:
    return f"coalesce(nullif(trim({column}), ''), '{UNKNOWN}')"
