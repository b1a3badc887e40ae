"""Stand-in notes of the open demo."""

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from clinragen.demo.evidence import name_stems, names_in
from clinragen.demo.notes import LABEL, TABLES, synthesize_notes
from clinragen.errors import UserError
from clinragen.provenance.record import read_record
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.raw import declaration, raw_path

ROOT = Path(__file__).parents[2]
PHENOTYPES = read_phenotypes(ROOT / "resources" / "phenotypes.csv")
OPEN_DEMO = ROOT.parent / "shared" / "data" / "mimic-iii-demo"
needs_open_demo = pytest.mark.skipif(
    not OPEN_DEMO.is_dir(), reason="the open MIMIC-III demo is not next to the checkout"
)

SMALL = {
    "admissions": "subject_id,hadm_id,dischtime,admission_type,admission_location,discharge_location,diagnosis\n"
    "1,10,2150-01-05 10:00:00,EMERGENCY,EMERGENCY ROOM ADMIT,HOME,PNEUMONIA\n"
    "2,20,2151-01-05 10:00:00,ELECTIVE,PHYS REFERRAL/NORMAL DELI,SNF,SEPSIS\n",
    "icustays": "hadm_id,first_careunit,los\n10,MICU,1.5\n10,CCU,2.0\n",
    "labevents": "hadm_id,itemid,valuenum,flag\n10,1,300,abnormal\n10,1,320,abnormal\n20,1,100,\n20,1,90,\n"
    "20,2,,abnormal\n,1,500,abnormal\n",
    "procedures_icd": "hadm_id,seq_num,icd9_code\n10,2,002\n10,1,001\n",
    "d_icd_procedures": "icd9_code,long_title\n001,Insertion of endotracheal tube\n002,Biopsy of liver\n",
    "d_labitems": "itemid,label\n1,Glucose\n2,Toxin\n",
}


def small(directory: Path, upper: bool = False, packed: bool = False) -> dict[str, Path]:
    paths = {}
    for table, text in SMALL.items():
        header, _, body = text.partition("\n")
        whole = f"{header.upper() if upper else header}\n{body}".encode()
        paths[table] = directory / f"{table}.csv{'.gz' * packed}"
        paths[table].write_bytes(gzip.compress(whole) if packed else whole)
    return paths


@pytest.mark.parametrize(("upper", "packed"), [(False, False), (True, True)])
def test_a_note_reports_procedures_and_measurements(tmp_path, upper, packed):
    first, second = synthesize_notes(small(tmp_path, upper, packed), PHENOTYPES)
    text = first[-1]
    assert text.startswith(LABEL)
    assert "3.5 days in the CCU and MICU" in text
    assert "underwent insertion of endotracheal tube" in text
    assert "Glucose was abnormal and high on 2 occasions." in text
    assert "Toxin was abnormal on 1 occasion." in second[-1]
    assert "ICU" not in second[-1]


def test_a_sentence_with_a_name_is_left_out(tmp_path):
    text = synthesize_notes(small(tmp_path), PHENOTYPES)[0][-1].lower()
    assert "biopsy" not in text and "pneumonia" not in text


def test_a_lacking_column_is_named(tmp_path):
    paths = small(tmp_path)
    paths["d_labitems"].write_text("itemid\n1\n")
    with pytest.raises(UserError, match=r"d_labitems\.csv.*label"):
        synthesize_notes(paths, PHENOTYPES)


def test_neither_diagnoses_nor_the_diagnosis_text_are_read():
    assert "diagnoses_icd" not in TABLES
    assert not any("diagnosis" in columns for columns in TABLES.values())


def test_what_is_read_is_declared():
    tables = declaration()["mimic3"]["tables"]
    for table, columns in TABLES.items():
        demanded = "needed" if "only_for" in tables[table] else "columns"
        assert set(columns.split(", ")) <= set(tables[table][demanded]), table
    assert {t for t, facts in tables.items() if facts.get("only_for") == "synthetic_notes"} <= set(TABLES)


@needs_open_demo
def test_open_demo_has_one_nameless_note_per_admission():
    paths = {table: raw_path("mimic3", OPEN_DEMO, table) for table in TABLES}
    notes = synthesize_notes(paths, PHENOTYPES)
    stems = name_stems(PHENOTYPES)
    assert len(notes) == len({n[2] for n in notes}) == 129
    assert not [w for n in notes for w in names_in(n[-1], stems)]
    assert not [p for n in notes for p in PHENOTYPES if p.lower() in n[-1].lower()]
    assert notes == synthesize_notes(paths, PHENOTYPES)


@needs_open_demo
def test_the_step_writes_the_layout_of_noteevents_and_labels_it(tmp_path):
    out = tmp_path / "NOTEEVENTS.csv.gz"
    flags = [x for table in TABLES for x in (f"--{table.replace('_', '-')}", raw_path("mimic3", OPEN_DEMO, table))]
    resources = ROOT / "resources"
    flags += ["--phenotypes", resources / "phenotypes.csv", "--raw-tables", resources / "raw_tables.yaml"]
    flags += ["--source", "open-demo", "--notes", out]
    subprocess.run([sys.executable, ROOT / "scripts" / "demo_notes.py", *flags], check=True, capture_output=True)
    with gzip.open(out, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["ROW_ID", "SUBJECT_ID", "HADM_ID"] and list(rows[0])[-1] == "TEXT"
    assert {(r["CATEGORY"], r["DESCRIPTION"], r["ISERROR"]) for r in rows} == {("Discharge summary", "Report", "")}
    assert read_record(out)["stand_ins"] == ["open demo cohort (100 patients)", "synthetic notes"]
