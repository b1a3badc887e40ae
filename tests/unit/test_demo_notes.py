"""Stand-in notes of the open demos."""

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from runs import OPEN_DEMO, OPEN_DEMO4, open_demo4

from clinragen.demo.evidence import name_stems, names_in
from clinragen.demo.notes import LABEL, TABLES, synthesize_notes
from clinragen.errors import UserError
from clinragen.provenance.record import read_record
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.raw import TITLES, declaration, raw_path

ROOT = Path(__file__).parents[2]
PHENOTYPES = read_phenotypes(ROOT / "resources" / "phenotypes.csv")
DATASETS = ("mimic3", "mimic4")
ADMISSIONS = {"mimic3": 129, "mimic4": 275}
# What marks a discharge report in each release.
KIND = {
    "mimic3": {"category": "Discharge summary", "description": "Report", "iserror": ""},
    "mimic4": {"note_type": "DS"},
}
needs_open_demos = pytest.mark.skipif(
    not (OPEN_DEMO.is_dir() and OPEN_DEMO4.is_dir()), reason="the open demos of MIMIC are not next to the checkout"
)

SMALL = {
    "admissions": "subject_id,hadm_id,dischtime,admission_type,admission_location,discharge_location,diagnosis\n"
    "1,10,2150-01-05 10:00:00,EMERGENCY,EMERGENCY ROOM ADMIT,HOME,PNEUMONIA\n"
    "2,20,2151-01-05 10:00:00,ELECTIVE,PHYS REFERRAL/NORMAL DELI,SNF,SEPSIS\n",
    "icustays": "hadm_id,first_careunit,los\n10,MICU,1.5\n10,CCU,2.0\n",
    "labevents": "hadm_id,itemid,valuenum\n10,1,300\n10,1,320\n" + "20,1,100\n" * 36 + "20,1,20\n20,2,\n,1,500\n",
    "outputevents": "hadm_id,itemid\n10,7\n10,8\n10,8\n10,9\n,7\n",
    "d_items": "itemid,label\n7,Foley\n8,Chest Tube #1\n9,Liver Drain\n",
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


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(("upper", "packed"), [(False, False), (True, True)])
def test_a_note_reports_the_stay_outputs_and_measurements(tmp_path, dataset, upper, packed):
    first, second = synthesize_notes(dataset, small(tmp_path, upper, packed), PHENOTYPES)
    text = first[-1]
    assert text.startswith(LABEL)
    assert "3.5 days in the CCU and MICU" in text
    assert "Output was charted as Chest Tube #1. Output was charted as Foley." in text
    assert "Glucose was high on 2 occasions." in text
    assert "Glucose was low on 1 occasion." in second[-1]
    assert "Toxin" not in second[-1] and "ICU" not in second[-1]


def test_an_admission_without_places_has_a_note(tmp_path):
    paths = small(tmp_path)
    paths["admissions"].write_text(SMALL["admissions"].replace(",EMERGENCY ROOM ADMIT,HOME,", ",,,"))
    text = synthesize_notes("mimic4", paths, PHENOTYPES)[0][-1]
    assert "The admission was emergency. The patient" in text and text.endswith("Discharge Disposition:\nUnknown\n")


def test_a_sentence_with_a_name_is_left_out(tmp_path):
    assert names_in("Liver Drain", name_stems(PHENOTYPES))
    text = synthesize_notes("mimic3", small(tmp_path), PHENOTYPES)[0][-1].lower()
    assert "foley" in text and "drain" not in text and "pneumonia" not in text


def test_a_lacking_column_is_named(tmp_path):
    paths = small(tmp_path)
    paths["d_labitems"].write_text("itemid\n1\n")
    with pytest.raises(UserError, match=r"d_labitems\.csv.*label"):
        synthesize_notes("mimic3", paths, PHENOTYPES)


def test_neither_diagnoses_nor_the_diagnosis_text_are_read():
    assert "diagnoses_icd" not in TABLES
    assert not any("diagnosis" in columns for columns in TABLES.values())


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_is_read_is_declared(dataset):
    tables = declaration()[dataset]["tables"]
    for table, columns in TABLES.items():
        demanded = "needed" if "only_for" in tables[table] else "columns"
        assert set(columns.split(", ")) <= set(tables[table][demanded]), table
    assert {t for t, facts in tables.items() if facts.get("only_for") == "synthetic_notes"} <= set(TABLES)


@pytest.fixture(params=DATASETS)
def demo_tables(request, tmp_path) -> tuple[str, dict[str, Path]]:
    """Each dataset, and the tables of its open demo from which notes are composed."""
    directory = OPEN_DEMO if request.param == "mimic3" else open_demo4(tmp_path / "mimic4")
    return request.param, {table: raw_path(request.param, directory, table) for table in TABLES}


@needs_open_demos
def test_an_open_demo_has_one_nameless_note_per_admission(demo_tables):
    dataset, paths = demo_tables
    notes = synthesize_notes(dataset, paths, PHENOTYPES)
    stems, texts = name_stems(PHENOTYPES), [n[-1] for n in notes]
    assert len(notes) == len({n[2] for n in notes}) == len({n[0] for n in notes}) == ADMISSIONS[dataset]
    assert not [w for text in texts for w in names_in(text, stems)]
    assert not [p for text in texts for p in PHENOTYPES if p.lower() in text.lower()]
    assert sum(" occasion" in text for text in texts) > 0.8 * len(texts)
    assert notes == synthesize_notes(dataset, paths, PHENOTYPES)


@needs_open_demos
def test_the_step_writes_the_layout_of_the_release_and_labels_it(demo_tables, tmp_path):
    dataset, paths = demo_tables
    out, resources = tmp_path / "notes.csv.gz", ROOT / "resources"
    flags = [x for table, path in paths.items() for x in (f"--{table.replace('_', '-')}", path)]
    flags += ["--phenotypes", resources / "phenotypes.csv", "--raw-tables", resources / "raw_tables.yaml"]
    flags += ["--dataset", dataset, "--source", "open-demo", "--notes", out]
    subprocess.run([sys.executable, ROOT / "scripts" / "demo_notes.py", *flags], check=True, capture_output=True)
    with gzip.open(out, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == declaration()[dataset]["tables"]["noteevents"]["columns"]
    assert {tuple(row[c] for c in KIND[dataset]) for row in rows} == {tuple(KIND[dataset].values())}
    assert read_record(out)["stand_ins"] == [f"open demo cohort of {TITLES[dataset]} (100 patients)", "synthetic notes"]
