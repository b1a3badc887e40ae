"""The larger MIMIC-III that the speed of the pipeline is measured on."""

import csv
import gzip
from pathlib import Path

import pytest
from benchmarks.scale import KEYS, PATIENT_TABLES, TABLES, scale
from raw_folders import DECLARATION, csv_text

from clinragen.registry.raw import columns_of

OUTPUT_COLUMNS = ["row_id", "subject_id", "hadm_id", "icustay_id", "charttime", "itemid", "value"]
EVENT = {"subject_id": 7, "hadm_id": 70, "icustay_id": 700, "itemid": 211}
ROWS = {
    "PATIENTS": [{"row_id": 1, "subject_id": 7}, {"row_id": 2, "subject_id": 12}],
    "ADMISSIONS": [{"row_id": n, "subject_id": n, "hadm_id": 10 * n, "diagnosis": 'A "B", C'} for n in (7, 12)],
    "ICUSTAYS": [{"row_id": 4, "subject_id": 7, "hadm_id": 70, "icustay_id": 700}],
    "DIAGNOSES_ICD": [{"row_id": 5, "subject_id": 12, "hadm_id": 120, "icd9_code": "0389"}],
    "CHARTEVENTS": [EVENT | {"row_id": n, "value": v} for n, v in enumerate(("98", "007", 'says "no", twice'), 1)],
    "LABEVENTS": [{"row_id": 1, "subject_id": 7, "itemid": 50931, "value": "5"}],
    "OUTPUTEVENTS": [{"row_id": 1, "subject_id": 7, "hadm_id": 70, "icustay_id": 700, "itemid": 40055}],
    "D_ICD_DIAGNOSES": [{"row_id": 1, "icd9_code": "0389"}],
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """Two patients; one laboratory value belongs to no admission."""
    directory = tmp_path_factory.mktemp("raw")
    for table in TABLES:
        declared = DECLARATION["mimic3"]["tables"].get(table.lower(), {}).get("columns")
        columns = declared or OUTPUT_COLUMNS
        (directory / f"{table}.csv.gz").write_bytes(gzip.compress(csv_text(columns, ROWS.get(table, [])).encode()))
    return directory


def read(directory: Path, table: str) -> list[dict]:
    with (directory / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def column(directory: Path, table: str, name: str) -> list[str]:
    return [row[name] for row in read(directory, table)]


@pytest.fixture(scope="module")
def larger(raw: Path, tmp_path_factory) -> Path:
    """The same, three times, in small letters."""
    directory = tmp_path_factory.mktemp("larger")
    scale(raw, directory, 3, upper=False)
    return directory


def test_every_patient_is_there_as_often_as_asked_for(larger):
    for table in PATIENT_TABLES:
        assert len(read(larger, table)) == 3 * len(ROWS.get(table, [])), table
    assert column(larger, "D_ICD_DIAGNOSES", "icd9_code") == ["0389"]


def test_ids_are_unique_and_relations_hold(larger):
    for table, key in (("PATIENTS", "subject_id"), ("ADMISSIONS", "hadm_id"), ("ICUSTAYS", "icustay_id")):
        ids = column(larger, table, key)
        assert len(set(ids)) == len(ids)
    admissions = {(r["subject_id"], r["hadm_id"]) for r in read(larger, "ADMISSIONS")}
    stays = {(r["subject_id"], r["hadm_id"], r["icustay_id"]) for r in read(larger, "ICUSTAYS")}
    assert {subject for subject, _ in admissions} == set(column(larger, "PATIENTS", "subject_id"))
    assert {stay[:2] for stay in stays} < admissions
    events = read(larger, "CHARTEVENTS")
    assert {(r["subject_id"], r["hadm_id"], r["icustay_id"]) for r in events} == stays
    assert len({r["row_id"] for r in events}) == 9


def test_what_is_no_id_stays_as_it_was_in_its_order(larger):
    assert column(larger, "CHARTEVENTS", "value") == ["98", "007", 'says "no", twice'] * 3
    assert set(column(larger, "ADMISSIONS", "diagnosis")) == {'A "B", C'}
    assert column(larger, "DIAGNOSES_ICD", "icd9_code") == ["0389"] * 3
    assert column(larger, "LABEVENTS", "hadm_id") == [""] * 3


def test_the_first_copy_keeps_its_ids(larger):
    assert column(larger, "ICUSTAYS", "icustay_id")[0] == "700"
    assert {key: read(larger, "CHARTEVENTS")[1].get(key) for key in KEYS} == {
        "subject_id": "7",
        "hadm_id": "70",
        "icustay_id": "700",
        "row_id": "2",
    }


def test_header_compression_and_tables_are_as_asked_for(raw, tmp_path):
    scale(raw, tmp_path / "packed", 2, packed=True, tables=("CHARTEVENTS",))
    packed = tmp_path / "packed" / "CHARTEVENTS.csv.gz"
    assert list((tmp_path / "packed").iterdir()) == [packed]
    lines = gzip.decompress(packed.read_bytes()).decode().splitlines()
    assert lines[0].split(",") == [c.upper() for c in columns_of(raw / "CHARTEVENTS.csv.gz")]
    assert len(lines) == 7


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"PATIENTS\.csv\[\.gz\] is missing"):
        scale(tmp_path, tmp_path / "larger", 2)
