"""Measurements of the 17 variables during the ICU stays of the cohort.

The rules are those of mimic3-benchmarks (Harutyunyan et al., 2019), each of its quirks repaired or, by the
settings of `config.extract.Events`, kept; docs/decisions.md lists the effect of each repair.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from clinragen.config.extract import Events
from clinragen.errors import UserError
from clinragen.extract.layout import Layout
from clinragen.extract.sources import LEAST_DIFFERENT, RawTables
from clinragen.registry.variables import Variable
from clinragen.schemas.attrition import Attrition

KILOGRAMS_PER_POUND = 0.453592
CENTIMETRES_PER_INCH = 2.54
# Texts that mean a missing value, in addition to the empty field: those that pandas reads as one.
MISSING = ("NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "<NA>",
           "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")  # fmt: skip
# From this number of measurements on, many equal ones mean a doubled file.
ENOUGH_ROWS = 1_000
PRESSURES = r"[0-9]+\s*/\s*[0-9]+"
# The benchmark drops laboratory values with a sign or an exponent.
UNSIGNED = r"[0-9]+(\.[0-9]*)?|\.[0-9]+"
LABORATORY = ("Glucose", "pH", "Oxygen saturation")
# Of these the benchmark keeps the text unchanged, and sorts texts where there are several at one time.
SCALES = (
    "Glascow coma scale eye opening",
    "Glascow coma scale motor response",
    "Glascow coma scale total",
    "Glascow coma scale verbal response",
)
UNCLEANED = (*SCALES, "Heart Rate", "Mean blood pressure", "Respiratory rate")
# Conversions into the unit of a variable: condition and converted value.
CONVERSIONS = {
    "systolic of a pair": ("pair AND variable = 'Systolic blood pressure'", "split_part(text, '/', 1)::DOUBLE"),
    "diastolic of a pair": ("pair AND variable = 'Diastolic blood pressure'", "split_part(text, '/', 2)::DOUBLE"),
    "oxygen from percent": ("variable = 'Fraction inspired oxygen' AND number > 1", "number / 100"),
    "saturation from a fraction": ("variable = 'Oxygen saturation' AND number <= 1", "number * 100"),
    "temperature from Fahrenheit": ("variable = 'Temperature' AND number >= 79", "(number - 32) * 5 / 9"),
    "weight from ounces": ("variable = 'Weight' AND contains(words, 'oz')", f"number / 16 * {KILOGRAMS_PER_POUND}"),
    "weight from pounds": ("variable = 'Weight' AND contains(words, 'lb')", f"number * {KILOGRAMS_PER_POUND}"),
    "height from inches": ("variable = 'Height' AND contains(words, 'in')", f"number * {CENTIMETRES_PER_INCH}"),
}
# As in the benchmark under Python 3: all oxygen whose unit is not torr is divided, heights are rounded.
QUIRKY_OXYGEN = ("variable = 'Fraction inspired oxygen' AND NOT contains(words, 'torr')", "number / 100")
QUIRKY_HEIGHT = ("variable = 'Height' AND contains(words, 'in')", f"round_even(number * {CENTIMETRES_PER_INCH}, 0)")


# Deduplication key: the last row in this order is kept.
TIE = ("stay_id", "hours", "copy", "variable")
ORDERED = f"""SELECT {", ".join(TIE)}, coalesce(value, 'nan'::DOUBLE) AS value, kept_text AS text FROM timed
              ORDER BY {", ".join(TIE)}, CASE WHEN by_text THEN NULL ELSE timed.value END NULLS FIRST, kept_text"""


def read_items(path: Path, dataset: str, blood_only: bool) -> pa.Table:
    """Read the items of a dataset (resources/items.csv): itemid, variable, raw table, label and unit in lower case.

    `blood_only` leaves out those measured in urine or another fluid.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["dataset"] == dataset]
    rows = [r for r in rows if not blood_only or r["fluid"] in ("", "blood")]
    return pa.table(
        {
            "itemid": pa.array([int(r["itemid"]) for r in rows], pa.int32()),
            "variable": [r["variable"] for r in rows],
            "source": [r["table"] for r in rows],
            "label": [r["label"].lower() for r in rows],
            "unit": [r["unit"].lower() for r in rows],
        }
    )


def select_events(
    raw: RawTables,
    layout: Layout,
    stays: pa.Table,
    items: pa.Table,
    variables: list[Variable],
    repairs: Events,
    write: Callable[[pa.RecordBatch], None],
) -> pa.Table:
    """Write cleaned values per stay, time and variable (EVENTS, in batches); return the rows per step (ATTRITION).

    A row belongs to the stay that it names; one without a stay to the stay of its admission; with
    `admission_by_time` one without an admission to the stay of its patient at that time. UserError where a table
    is truncated, doubled, of other patients or of other times.
    """
    attrition, unreadable = Attrition("events"), Attrition("unreadable values")
    raw.add("stays", stays)
    raw.add("items", items)
    # Stored as dictionary codes: as texts the names would be most of the tables.
    raw.run(f"CREATE TYPE name AS ENUM ({_quoted(v.name for v in variables)})")
    raw.add("variables", _variables_table(variables))
    raw.add("levels", _levels_table(variables))
    raw.check_rows(_map_items(raw, layout, items))
    attrition.add("rows of the mapped items with a text", rows=raw.row("SELECT count(*) FROM mapped")[0])
    raw.run(f"DELETE FROM mapped WHERE text = '' OR text IN ({_quoted(MISSING)})")
    attrition.add("that does not stand for a missing value", rows=raw.row("SELECT count(*) FROM mapped")[0])
    _find_stays(raw, repairs)
    _check_coverage(raw, stays.num_rows)
    _count(raw, attrition, "of an admission of the cohort", "placed")
    _count(raw, attrition, "not of another ICU stay of the admission", "placed WHERE NOT elsewhere")
    written = raw.rows(
        "SELECT variable, count(*) FROM placed JOIN items USING (itemid) WHERE NOT elsewhere GROUP BY variable"
    )
    _clean(raw, repairs)
    _count(raw, attrition, "with a readable value", "cleaned")
    readable = dict(raw.rows("SELECT variable, count(*) FROM cleaned GROUP BY variable"))
    for name, rows in sorted(written):
        unreadable.add(name, rows=rows - readable.get(name, 0))
    if repairs.plausible_only:
        _count(raw, attrition, "within the plausible range", "cleaned WHERE plausible")
    conversions = _count_conversions(raw)
    _place_in_time(raw, repairs)
    _count(raw, attrition, "during the ICU stay", "timed")
    kept, timed = 0, attrition.steps[-1]["rows"]
    for batch in _without_ties(raw.batches(ORDERED)):
        kept += batch.num_rows
        write(batch)
    attrition.add("one value of a variable at one time", rows=kept)
    if timed >= ENOUGH_ROWS and kept < LEAST_DIFFERENT * timed:
        raise UserError(
            f"{raw.paths['chartevents']}, {raw.paths['labevents']}: only {kept} of {timed} measurements are different: "
            "rows of a table occur twice; download it again"
        )
    return pa.concat_tables([a.to_table() for a in (attrition, unreadable, conversions)])


def _map_items(raw: RawTables, layout: Layout, items: pa.Table) -> dict[str, int]:
    """Create table `mapped`, the rows of the items; return the number of all rows of each raw table."""
    parts = []
    for table, stay in (("chartevents", f"{layout.stay_id}::BIGINT"), ("labevents", "NULL::BIGINT")):
        numbers = [str(i["itemid"]) for i in items.to_pylist() if i["source"] == table]
        parts.append(
            # A list of constants is looked up while the file is parsed; a join would take twice the time.
            f"""SELECT itemid, subject_id::BIGINT AS subject_id, hadm_id::BIGINT AS hadm_id, {stay} AS named_stay,
                       charttime::TIMESTAMP_S AS charttime, trim(value) AS text, lower(trim(valueuom)) AS unit
                FROM raw_{table} WHERE itemid IN ({", ".join(numbers)}) AND value IS NOT NULL"""
        )
    return raw.run_and_count(f"CREATE TABLE mapped AS {' UNION ALL '.join(parts)}")


def _find_stays(raw: RawTables, repairs: Events) -> None:
    """Create table `placed`: rows with the stay of their admission; `elsewhere` marks those that name another stay."""
    by_time = """
        UNION ALL
        SELECT s.stay_id, m.* FROM mapped m JOIN stays s
        ON m.hadm_id IS NULL AND m.subject_id = s.subject_id
           AND m.charttime BETWEEN s.intime AND coalesce(s.outtime, m.charttime)"""
    raw.run(
        f"""CREATE TABLE placed AS
            SELECT * EXCLUDE (hadm_id, named_stay), coalesce(named_stay <> stay_id, false) AS elsewhere
            FROM (SELECT s.stay_id, m.* FROM mapped m
                  JOIN stays s ON m.hadm_id = s.hadm_id AND m.subject_id = s.subject_id
                  {by_time if repairs.admission_by_time else ""})"""
    )
    raw.run("DROP TABLE mapped")


def _check_coverage(raw: RawTables, stays: int) -> None:
    """Raise UserError if CHARTEVENTS or LABEVENTS has rows of the 17 variables during too few stays."""
    covered = dict(
        raw.rows(
            """SELECT source, count(DISTINCT stay_id)
               FROM placed JOIN items USING (itemid) JOIN stays s USING (stay_id)
               WHERE NOT elsewhere AND charttime BETWEEN s.intime AND coalesce(s.outtime, charttime) GROUP BY source"""
        )
    )
    for table in ("chartevents", "labevents"):
        raw.check_coverage(table, covered.get(table, 0), stays)


def _clean(raw: RawTables, repairs: Events) -> None:
    """Create table `cleaned`: values in the unit of their variable, and the texts of those that are kept unchanged.

    `by_text` marks values of which the last text at one time is kept instead of the largest number.
    """
    conversions = dict(CONVERSIONS)
    if not repairs.fio2_by_value:
        conversions["oxygen from percent"] = QUIRKY_OXYGEN
    if not repairs.heights_unrounded:
        conversions["height from inches"] = QUIRKY_HEIGHT
    which = " ".join(f"WHEN {when} THEN {n}" for n, (when, _) in enumerate(conversions.values(), 1))
    values = " ".join(f"WHEN {n} THEN {value}" for n, (_, value) in enumerate(conversions.values(), 1))
    unsigned = f"WHEN variable IN ({_quoted(LABORATORY)}) AND NOT regexp_full_match(text, '{UNSIGNED}') THEN NULL"
    unchanged = SCALES if repairs.numbers_only and repairs.largest_number else UNCLEANED
    by_text = "false"
    if not repairs.largest_number:
        _find_texts(raw)
        by_text = f"variable IN ({_quoted(UNCLEANED)}) AND subject_id IN (SELECT subject_id FROM with_texts)"
    raw.run(
        f"""CREATE TABLE cleaned AS
            SELECT stay_id, subject_id, charttime, variable::name AS variable, conversion, {by_text} AS by_text,
                   CASE WHEN categorical THEN coalesce(score, CASE WHEN numeric_levels THEN number END)
                        {"" if repairs.numbers_only else unsigned}
                        ELSE CASE conversion {values} ELSE number END END AS value,
                   CASE WHEN variable IN ({_quoted(unchanged)}) THEN text END AS kept_text,
                   coalesce(value BETWEEN low AND high, true) AS plausible
            FROM (SELECT *, CASE WHEN categorical THEN 0 {which} ELSE 0 END AS conversion
                  FROM (SELECT p.*, v.*, l.score, concat(i.label, ' ', coalesce(p.unit, i.unit)) AS words,
                               CASE WHEN isfinite(TRY_CAST(p.text AS DOUBLE)) THEN p.text::DOUBLE END AS number,
                               contains(p.text, '/') AND regexp_full_match(p.text, '{PRESSURES}') AS pair
                        FROM placed p JOIN items i USING (itemid) JOIN variables v USING (variable)
                        LEFT JOIN levels l ON l.variable = i.variable AND l.level = p.text
                        WHERE NOT p.elsewhere))
            WHERE value IS NOT NULL {"" if repairs.numbers_only else "OR kept_text IS NOT NULL"}"""
    )
    raw.run("DROP TABLE placed")


def _find_texts(raw: RawTables) -> None:
    """Create table `with_texts`: patients with a value that is not a number, which the benchmark sorts as texts."""
    parts = [
        f"""SELECT subject_id::BIGINT AS subject_id FROM raw_{table}
            WHERE hadm_id::BIGINT IN (SELECT hadm_id FROM stays) AND TRY_CAST(value AS DOUBLE) IS NULL
                  AND trim(value) <> '' AND trim(value) NOT IN ({_quoted(MISSING)})"""
        for table in ("chartevents", "labevents")
    ]
    raw.run(f"CREATE TABLE with_texts AS {' UNION '.join(parts)}")


def _count_conversions(raw: RawTables) -> Attrition:
    counts = raw.rows(
        """SELECT conversion, count(*), count(DISTINCT stay_id), count(DISTINCT subject_id)
           FROM cleaned WHERE conversion > 0 GROUP BY conversion"""
    )
    counted = {number: dict(zip(("rows", "stays", "subjects"), n, strict=True)) for number, *n in counts}
    conversions = Attrition("conversions")
    for number, name in enumerate(CONVERSIONS, 1):
        conversions.add(name, **counted.get(number, {"rows": 0, "stays": 0, "subjects": 0}))
    return conversions


def _place_in_time(raw: RawTables, repairs: Events) -> None:
    """Create table `timed`: hours since the beginning of the stay, for rows from then until its end.

    `copy` distinguishes rows of one time where the benchmark writes that time twice.
    """
    rows = "SELECT *, stay_id AS copy FROM cleaned"
    if not repairs.own_stay_only:
        # In the benchmark a time belongs to a patient. Every stay that has it or was under way gets all that was
        # measured then, once for each stay that has it.
        rows = """SELECT c.* REPLACE (s.stay_id AS stay_id), t.stay_id AS copy
                  FROM cleaned c JOIN (SELECT DISTINCT subject_id, charttime, stay_id FROM cleaned) t
                       ON t.subject_id = c.subject_id AND t.charttime = c.charttime
                  JOIN stays s ON s.subject_id = t.subject_id
                       AND (s.stay_id = t.stay_id OR t.charttime BETWEEN s.intime AND s.outtime)"""
    raw.run(
        f"""CREATE TABLE timed AS
            SELECT stay_id, date_diff('second', s.intime, charttime) / 60.0 / 60.0 AS hours, copy, variable, value,
                   kept_text, by_text
            FROM ({rows}) JOIN stays s USING (stay_id)
            WHERE {"plausible AND" if repairs.plausible_only else ""} hours > -1e-6 AND hours < s.los_hours + 1e-6"""
    )
    raw.run("DROP TABLE cleaned")


def _without_ties(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield only the last of the rows that agree in all of TIE; such rows are adjacent, also across batches."""
    held: pa.RecordBatch | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        if held is not None and _tie(held, 0) != _tie(batch, 0):
            yield held.drop_columns(["copy"])
        keys = [batch[name] for name in TIE]
        keys = [(key.indices if pa.types.is_dictionary(key.type) else key).to_numpy() for key in keys]
        last = np.flatnonzero(np.logical_or.reduce([key[1:] != key[:-1] for key in keys]))
        yield batch.take(pa.array(last)).drop_columns(["copy"])
        held = batch.slice(batch.num_rows - 1)
    if held is not None:
        yield held.drop_columns(["copy"])


def _tie(batch: pa.RecordBatch, row: int) -> tuple:
    return tuple(batch[name][row].as_py() for name in TIE)


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
    return pa.table({"variable": names, "level": texts, "score": scores})


def _count(raw: RawTables, attrition: Attrition, step: str, rows: str) -> None:
    counts = raw.row(
        f"""SELECT coalesce(sum(n), 0)::BIGINT, count(*), count(DISTINCT hadm_id), count(DISTINCT subject_id)
            FROM (SELECT stay_id, count(*) AS n FROM {rows} GROUP BY stay_id) JOIN stays USING (stay_id)"""
    )
    attrition.add(step, **dict(zip(("rows", "stays", "admissions", "subjects"), counts, strict=True)))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
