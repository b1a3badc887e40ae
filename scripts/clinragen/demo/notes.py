"""Stand-in discharge notes for the open demos, which have none, from the structured record.

Neither the diagnoses nor the admission's diagnosis text is read, and no sentence contains a word of a
phenotype's name: notes report only the stay, drains and other outputs, and measurements.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from clinragen.demo.evidence import name_stems, names_in
from clinragen.errors import UserError

TABLES = {
    "admissions": "subject_id, hadm_id, dischtime, admission_type, admission_location, discharge_location",
    "icustays": "hadm_id, first_careunit, los",
    "labevents": "hadm_id, itemid, valuenum",
    "outputevents": "hadm_id, itemid",
    "d_items": "itemid, label",
    "d_labitems": "itemid, label",
}
"""The tables that are read, and all columns read of each; MIMIC-III and MIMIC-IV have the same."""
LABEL = "SYNTHETIC NOTE, composed by rule from the structured record; no clinician wrote it."
MOST_OUTPUTS, MOST_LABS = 4, 6

FACTS = """
select a.subject_id, a.hadm_id, a.dischtime, a.admission_type, a.admission_location, a.discharge_location,
       string_agg(distinct i.first_careunit, ' and ' order by i.first_careunit) as units,
       round(sum(try_cast(i.los as double)), 1) as days
from admissions a left join icustays i on i.hadm_id = a.hadm_id
group by all order by hadm_id
"""
OUTPUTS = """
select o.hadm_id, trim(d.label) as label
from outputevents o join d_items d on d.itemid = o.itemid
where o.hadm_id is not null and d.label is not null
group by o.hadm_id, d.itemid, d.label
qualify row_number() over (partition by o.hadm_id order by count(*) desc, d.itemid) <= ?
order by o.hadm_id, count(*) desc, d.itemid
"""
# High or low against the cohort's own results of the same test: the flags of abnormal results would call most
# results of an ICU abnormal, and not every copy of the demos has them.
LABS = """
with ranges as (
    select itemid, quantile_cont(try_cast(valuenum as double), [0.1, 0.9]) as limits from labevents group by itemid
), outside as (
    select e.hadm_id, e.itemid, count(*) as times,
           case when try_cast(e.valuenum as double) < limits[1] then 'low' else 'high' end as direction
    from labevents e join ranges r on r.itemid = e.itemid
    where e.hadm_id is not null and try_cast(e.valuenum as double) not between limits[1] and limits[2]
    group by all
)
select o.hadm_id, trim(d.label) as label, o.times, o.direction
from outside o join d_labitems d on d.itemid = o.itemid where d.label is not null
qualify row_number() over (partition by o.hadm_id order by o.times desc, o.itemid, o.direction) <= ?
order by o.hadm_id, o.times desc, o.itemid, o.direction
"""


def synthesize_notes(dataset: str, paths: dict[str, Path], phenotypes: list[str]) -> list[tuple]:
    """Return a report per admission, as rows of the dataset's notes in the order of resources/raw_tables.yaml.

    `paths` gives the file of each of TABLES (.csv or .csv.gz, headers of any case); UserError names a
    file that cannot be read or lacks a column.
    """
    stems = name_stems(phenotypes)
    with duckdb.connect() as connection:
        for table in TABLES:
            _open(connection, table, paths[table])
        facts = connection.execute(FACTS).fetchall()
        outputs = connection.execute(OUTPUTS, [MOST_OUTPUTS]).fetchall()
        labs = connection.execute(LABS, [MOST_LABS]).fetchall()
    findings: dict[str, list[str]] = {}
    for hadm_id, label in outputs:
        findings.setdefault(hadm_id, []).append(f"Output was charted as {label}.")
    for hadm_id, label, times, direction in labs:
        findings.setdefault(hadm_id, []).append(f"{label} was {direction} on {times} occasion{'s' * (times > 1)}.")
    admissions = [_Admission(*fact) for fact in facts]
    texts = [_text(a, findings.get(a.hadm_id, []), stems) for a in admissions]
    return [ROWS[dataset](number, a, text) for number, (a, text) in enumerate(zip(admissions, texts, strict=True), 1)]


def _open(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    options = "all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"'"
    name = str(path).replace("'", "''")
    try:
        connection.execute(f"create temp table {table} as select {TABLES[table]} from read_csv('{name}', {options})")
    except duckdb.Error as error:
        raise UserError(f"{path}: not a readable CSV of table {table}: {error}") from None


class _Admission(NamedTuple):
    """A row of FACTS."""

    subject_id: str
    hadm_id: str
    discharged: str
    kind: str
    arrival: str | None
    destination: str | None
    units: str | None
    days: float | None


def _text(admission: _Admission, findings: Sequence[str], stems: frozenset[str]) -> str:
    arrival = f", by way of {admission.arrival.lower()}" if admission.arrival else ""
    sentences = [f"The admission was {admission.kind.lower().rstrip('.')}{arrival}."]
    if admission.units:
        sentences.append(f"The patient stayed {admission.days} days in the {admission.units}.")
    sentences += findings
    course = " ".join(s for s in sentences if not names_in(s, stems))
    return (
        f"{LABEL}\n\nService:\nMEDICINE\n\nBrief Hospital Course:\n{course}\n\n"
        f"Discharge Disposition:\n{(admission.destination or 'unknown').capitalize()}\n"
    )


def _row_of_mimic3(number: int, admission: _Admission, text: str) -> tuple:
    date = datetime.fromisoformat(admission.discharged).date()
    ids = (number, admission.subject_id, admission.hadm_id)
    return *ids, date, None, None, "Discharge summary", "Report", None, None, text


def _row_of_mimic4(number: int, admission: _Admission, text: str) -> tuple:
    date = datetime.fromisoformat(admission.discharged).date()
    note_id = f"{admission.subject_id}-DS-{number}"
    return note_id, admission.subject_id, admission.hadm_id, "DS", number, f"{date} 00:00:00", None, text


ROWS = {"mimic3": _row_of_mimic3, "mimic4": _row_of_mimic4}
