"""Measurements of the 17 variables during the ICU stays of the cohort."""

import csv
from pathlib import Path

import pyarrow as pa

from clinragen.extract.attrition import Attrition
from clinragen.extract.sources import RawTables
from clinragen.registry.variables import Variable

STAY_ID = {"mimic3": "icustay_id", "mimic4": "stay_id"}
KILOGRAMS_PER_POUND = 0.453592
CENTIMETRES_PER_INCH = 2.54
# What a text must look like to count as a number; ">60/minute" and "80/xx" do not.
NUMBER = r"^\s*[0-9]*\.?[0-9]+\s*$"
PRESSURES = r"^\s*[0-9]+\s*/\s*[0-9]+\s*$"
# The value of a row in the unit of its variable: the benchmark's rules with its quirks repaired.
VALUE = f"""CASE
    WHEN v.categorical THEN coalesce(l.score, CASE WHEN v.numeric_levels THEN p.number END)
    WHEN p.pressures AND p.variable = 'Systolic blood pressure' THEN split_part(p.text, '/', 1)::DOUBLE
    WHEN p.pressures AND p.variable = 'Diastolic blood pressure' THEN split_part(p.text, '/', 2)::DOUBLE
    WHEN p.variable = 'Fraction inspired oxygen' AND p.number > 1 THEN p.number / 100
    WHEN p.variable = 'Oxygen saturation' AND p.number <= 1 THEN p.number * 100
    WHEN p.variable = 'Temperature' AND p.number >= 79 THEN (p.number - 32) * 5 / 9
    WHEN p.conversion = 'pounds' THEN p.number * {KILOGRAMS_PER_POUND}
    WHEN p.conversion = 'ounces' THEN p.number / 16 * {KILOGRAMS_PER_POUND}
    WHEN p.conversion = 'inches' THEN p.number * {CENTIMETRES_PER_INCH}
    ELSE p.number END"""


def read_items(path: Path, dataset: str) -> pa.Table:
    """Items of a dataset (resources/items.csv): itemid, variable, raw table and unit conversion.

    Items measured in urine or another fluid than blood are left out.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["dataset"] == dataset and r["fluid"] in ("", "blood")]
    return pa.table(
        {
            "itemid": pa.array([int(r["itemid"]) for r in rows], pa.int64()),
            "variable": [r["variable"] for r in rows],
            "source": [r["table"] for r in rows],
            "conversion": [_conversion(r) for r in rows],
        }
    )


def _conversion(item: dict[str, str]) -> str:
    words = f"{item['label']} {item['unit']}".lower()
    if item["variable"] == "Weight":
        return "ounces" if "oz" in words else "pounds" if "lb" in words else ""
    return "inches" if item["variable"] == "Height" and "inch" in words else ""


def select_events(
    raw: RawTables, dataset: str, stays: pa.Table, items: pa.Table, variables: list[Variable]
) -> tuple[pa.Table, pa.Table]:
    """Cleaned values per stay, time and variable (EVENTS), and what each rule left over (ATTRITION).

    A row belongs to the stay that it names; one without stay to the stay of its admission; one without
    admission to the stay of its patient that was under way. Of several values of a variable at one
    time the largest stays. A value outside of a variable's plausible range is dropped.
    """
    attrition = Attrition("events")
    raw.add("stays", stays)
    raw.add("items", items)
    raw.add("variables", _variables_table(variables))
    raw.add("levels", _levels_table(variables))
    raw.run(
        "CREATE TABLE mapped AS "
        + " UNION ALL ".join(
            f"""SELECT i.variable, i.conversion, e.subject_id::BIGINT AS subject_id,
                       TRY_CAST(e.hadm_id AS BIGINT) AS hadm_id, {stay} AS stay_id,
                       e.charttime::TIMESTAMP_S AS charttime, trim(e.value) AS text
                FROM raw_{table} e JOIN items i ON i.itemid = e.itemid::BIGINT AND i.source = '{table}'
                WHERE e.value IS NOT NULL"""
            for table, stay in (
                ("chartevents", f"TRY_CAST(e.{STAY_ID[dataset]} AS BIGINT)"),
                ("labevents", "NULL::BIGINT"),
            )
        )
    )
    _count(raw, attrition, "rows of the mapped items with a value", "mapped")
    raw.run(
        """CREATE TABLE placed AS
           SELECT s.stay_id, m.variable, m.conversion, m.text,
                  date_diff('second', s.intime, m.charttime) / 3600.0 AS hours, s.los_hours
           FROM mapped m JOIN stays s ON m.hadm_id = s.hadm_id AND coalesce(m.stay_id, s.stay_id) = s.stay_id
           UNION ALL
           SELECT s.stay_id, m.variable, m.conversion, m.text,
                  date_diff('second', s.intime, m.charttime) / 3600.0 AS hours, s.los_hours
           FROM mapped m JOIN stays s ON m.hadm_id IS NULL AND m.subject_id = s.subject_id
                AND coalesce(m.stay_id, s.stay_id) = s.stay_id
                AND m.charttime BETWEEN s.intime AND coalesce(s.outtime, m.charttime)"""
    )
    _count(raw, attrition, "of a stay of the cohort", "placed")
    raw.run(
        "DELETE FROM placed WHERE hours IS NULL OR los_hours IS NULL OR hours <= -1e-6 OR hours >= los_hours + 1e-6"
    )
    _count(raw, attrition, "during the ICU stay", "placed")
    raw.run(
        f"""CREATE TABLE cleaned AS
            SELECT p.stay_id, p.hours, p.variable, {VALUE} AS value, v.low, v.high
            FROM (SELECT *, {_number("text")} AS number,
                         regexp_matches(text, '{PRESSURES}') AS pressures FROM placed) p
            JOIN variables v USING (variable)
            LEFT JOIN levels l ON l.variable = p.variable AND l.text = p.text"""
    )
    raw.run("DELETE FROM cleaned WHERE value IS NULL OR isnan(value)")
    _count(raw, attrition, "with a readable value", "cleaned")
    raw.run("DELETE FROM cleaned WHERE value < low OR value > high")
    _count(raw, attrition, "within the plausible range", "cleaned")
    names = ", ".join(f"'{v.name}'" for v in variables)
    events = raw.query(
        # An ENUM arrives as numbers with a dictionary: as texts the names would be most of the table.
        f"""SELECT stay_id, hours, variable::ENUM({names}) AS variable, max(value) AS value FROM cleaned
           GROUP BY stay_id, hours, variable ORDER BY stay_id, hours, variable"""
    )
    raw.add("events", events)
    _count(raw, attrition, "largest value of a variable at one time", "events")
    return events, attrition.to_table()


def _number(text: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{NUMBER}') THEN TRY_CAST({text} AS DOUBLE) END"


def _variables_table(variables: list[Variable]) -> pa.Table:
    return pa.table(
        {
            "variable": [v.name for v in variables],
            "categorical": [v.categorical for v in variables],
            "numeric_levels": [all(text.isdigit() for text in v.levels) for v in variables],
            "low": [v.plausible_low for v in variables],
            "high": [v.plausible_high for v in variables],
        }
    )


def _levels_table(variables: list[Variable]) -> pa.Table:
    rows = [(v.name, text, score) for v in variables for text, score in v.levels.items()]
    names, texts, scores = zip(*rows, strict=True)
    return pa.table({"variable": names, "text": texts, "score": scores})


def _count(raw: RawTables, attrition: Attrition, step: str, table: str) -> None:
    stays = "count(DISTINCT stay_id)" if table != "mapped" else "NULL"
    rows, left = raw.row(f"SELECT count(*), {stays} FROM {table}")
    attrition.add(step, rows=rows, stays=left)
