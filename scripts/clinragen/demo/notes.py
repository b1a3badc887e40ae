"""Stand-in discharge notes for the open demo, whose NOTEEVENTS is empty, from the structured record.

Neither the diagnoses nor the admission's diagnosis text is read, and no sentence contains a word of a
phenotype's name: notes report only procedures and measurements.
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
    "labevents": "hadm_id, itemid, valuenum, flag",
    "procedures_icd": "hadm_id, seq_num, icd9_code",
    "d_icd_procedures": "icd9_code, long_title",
    "d_labitems": "itemid, label",
}
"""The tables that are read, and all columns read of each."""
LABEL = "SYNTHETIC NOTE, composed by rule from the structured record; no clinician wrote it."
MOST_PROCEDURES, MOST_LABS = 4, 6

FACTS = """
select a.subject_id, a.hadm_id, a.dischtime, a.admission_type, a.admission_location, a.discharge_location,
       string_agg(distinct i.first_careunit, ' and ' order by i.first_careunit) as units,
       round(sum(try_cast(i.los as double)), 1) as days
from admissions a left join icustays i on i.hadm_id = a.hadm_id
group by all order by hadm_id
"""
PROCEDURES = """
select p.hadm_id, d.long_title
from procedures_icd p join d_icd_procedures d on d.icd9_code = p.icd9_code
qualify row_number() over (partition by p.hadm_id order by try_cast(p.seq_num as int), p.icd9_code) <= ?
order by p.hadm_id, try_cast(p.seq_num as int), p.icd9_code
"""
# High or low against the median of the cohort's unflagged results of the same test: the median of all
# would call a raised value low where most of an ICU's values are raised. Null where there are no numbers.
LABS = """
with medians as (
    select itemid, median(try_cast(valuenum as double)) as middle from labevents
    where flag is distinct from 'abnormal' group by itemid
), flagged as (
    select hadm_id, itemid, count(*) as times, avg(try_cast(valuenum as double)) as mean
    from labevents where flag = 'abnormal' and hadm_id is not null group by hadm_id, itemid
)
select f.hadm_id, trim(d.label) as label, f.times,
       case when f.mean > m.middle then 'high' when f.mean < m.middle then 'low' end as direction
from flagged f left join medians m on m.itemid = f.itemid join d_labitems d on d.itemid = f.itemid
qualify row_number() over (partition by f.hadm_id order by f.times desc, f.itemid) <= ?
order by f.hadm_id, f.times desc, f.itemid
"""


def synthesize_notes(paths: dict[str, Path], phenotypes: list[str]) -> list[tuple]:
    """Return one Report per admission, as rows of NOTEEVENTS in the columns' order of resources/raw_tables.yaml.

    `paths` gives the file of each of TABLES (.csv or .csv.gz, headers of any case); UserError names a
    file that cannot be read or lacks a column.
    """
    stems = name_stems(phenotypes)
    with duckdb.connect() as connection:
        for table in TABLES:
            _open(connection, table, paths[table])
        facts = connection.execute(FACTS).fetchall()
        procedures = connection.execute(PROCEDURES, [MOST_PROCEDURES]).fetchall()
        labs = connection.execute(LABS, [MOST_LABS]).fetchall()
    findings: dict[str, list[str]] = {}
    for hadm_id, title in procedures:
        findings.setdefault(hadm_id, []).append(f"The patient underwent {title[0].lower()}{title[1:]}.")
    for hadm_id, label, times, direction in labs:
        how = f"abnormal and {direction}" if direction else "abnormal"
        findings.setdefault(hadm_id, []).append(f"{label} was {how} on {times} occasion{'s' * (times > 1)}.")
    admissions = [_Admission(*fact) for fact in facts]
    return [_row(number, a, findings.get(a.hadm_id, []), stems) for number, a in enumerate(admissions, 1)]


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
    arrival: str
    destination: str
    units: str | None
    days: float | None


def _row(number: int, admission: _Admission, findings: Sequence[str], stems: frozenset[str]) -> tuple:
    sentences = [f"The admission was {admission.kind.lower()}, by way of {admission.arrival.lower()}."]
    if admission.units:
        sentences.append(f"The patient stayed {admission.days} days in the {admission.units}.")
    sentences += findings
    course = " ".join(s for s in sentences if not names_in(s, stems))
    text = (
        f"{LABEL}\n\nService:\nMEDICINE\n\nBrief Hospital Course:\n{course}\n\n"
        f"Discharge Disposition:\n{admission.destination.capitalize()}\n"
    )
    date = datetime.fromisoformat(admission.discharged).date()
    ids = (number, admission.subject_id, admission.hadm_id)
    return *ids, date, None, None, "Discharge summary", "Report", None, None, text
