"""The synthetic raw files: layout, determinism, planted evidence, cases for the cohort rules."""

import csv
import gzip
import itertools
import re
import statistics
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from raw_folders import rows_of

from clinragen.demo.charting import read_items
from clinragen.demo.cohort import plan_cohort
from clinragen.demo.evidence import name_stems, names_in, read_evidence
from clinragen.demo.hospital_course import HEADINGS
from clinragen.demo.raw_files import columns_of_tables
from clinragen.demo.raw_releases import RELEASES
from clinragen.provenance.record import read_record

RESOURCES = Path(__file__).parents[2] / "resources"
EVIDENCE = read_evidence(RESOURCES / "demo" / "evidence.yaml")
STEMS = name_stems(list(EVIDENCE.phenotypes))
PATIENTS, SEED = 150, 1
SECTION = re.compile(rf"^(?:{'|'.join(map(re.escape, HEADINGS))})\n(.*?)^Medications on Admission:", re.M | re.S | re.I)


def make(dataset: str, directory: Path, patients: int = PATIENTS, seed: int = SEED) -> dict[str, Path]:
    columns = columns_of_tables(RESOURCES / "raw_tables.yaml", dataset)
    paths = {table: directory / f"{table}.csv.gz" for table in columns}
    RELEASES[dataset].write(patients, seed, EVIDENCE, read_items(RESOURCES / "items.csv", dataset), columns, paths)
    return paths


@pytest.fixture(scope="module", params=["mimic3", "mimic4"])
def raw(request, tmp_path_factory):
    dataset = request.param
    paths = make(dataset, tmp_path_factory.mktemp(dataset))
    tables = {table: rows_of(path) for table, path in paths.items()}
    release = RELEASES[dataset]
    cohort = plan_cohort(PATIENTS, SEED, release.number, EVIDENCE)
    admissions = {str(release.hadm_id(a)): a for p in cohort for a in p.admissions}
    return dataset, paths, tables, cohort, admissions


def summaries(dataset: str, tables: dict) -> list[dict[str, str]]:
    """Discharge summaries proper: no addenda, no errors, no other categories."""
    if dataset == "mimic4":
        return [r for r in tables["noteevents"] if r["note_type"] == "DS"]
    return [
        r
        for r in tables["noteevents"]
        if (r["category"], r["description"], r["iserror"]) == ("Discharge summary", "Report", "")
    ]


def courses(dataset: str, tables: dict) -> dict[str, str]:
    found = {r["hadm_id"]: SECTION.search(r["text"]) for r in summaries(dataset, tables)}
    return {hadm_id: " ".join(match[1].split()) for hadm_id, match in found.items() if match}


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_same_seed_gives_the_same_bytes(dataset, tmp_path):
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
    one, two = make(dataset, tmp_path / "one", 30), make(dataset, tmp_path / "two", 30)
    other = make(dataset, tmp_path / "other", 30, seed=SEED + 1)
    for table in one:
        assert one[table].read_bytes() == two[table].read_bytes(), table
        assert one[table].read_bytes() != other[table].read_bytes(), table


def test_columns_are_those_of_the_release(raw):
    dataset, paths, *_ = raw
    for table, columns in columns_of_tables(RESOURCES / "raw_tables.yaml", dataset).items():
        with gzip.open(paths[table], "rt", encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        assert header == ([c.upper() for c in columns] if dataset == "mimic3" else columns)


def test_every_row_has_every_column(raw):
    for table, rows in raw[2].items():
        assert rows, table
        assert all(None not in row and None not in row.values() for row in rows), table


def test_cues_are_in_the_hospital_course_and_nowhere_else(raw):
    dataset, _, tables, _, admissions = raw
    found = courses(dataset, tables)
    assert len(found) > 0.9 * len(admissions)
    for hadm_id, text in found.items():
        for name, planted in EVIDENCE.phenotypes.items():
            expected = name in admissions[hadm_id].phenotypes and planted.channel in ("notes", "both")
            assert any(cue in text for cue in planted.cues) == expected, (hadm_id, name)


def test_no_name_in_a_hospital_course_but_in_the_sections_around_it(raw):
    dataset, _, tables, _, admissions = raw
    assert {h: names_in(t, STEMS) for h, t in courses(dataset, tables).items() if names_in(t, STEMS)} == {}
    for row in summaries(dataset, tables):
        after = re.split("Discharge Diagnosis:", row["text"], flags=re.I)[-1]
        if "Interim" not in row["text"]:
            assert all(p in after for p in admissions[row["hadm_id"]].phenotypes)


def test_length_of_the_hospital_course(raw):
    dataset, _, tables, *_ = raw
    for text in courses(dataset, tables).values():
        plain = re.sub(r"\[\*\*.*?\*\*\]", "X", text).replace("# ACTIVE ISSUES:", "")
        assert 25 <= len(plain.split()) <= 60, text
        assert 3 <= len(re.findall(r"\.(?:\s|$)", plain)) <= 6, text


def test_placeholders_are_those_of_the_release(raw):
    dataset, _, tables, *_ = raw
    text = "".join(r["text"] for r in summaries(dataset, tables))
    assert ("[**" in text, "___" in text) == (dataset == "mimic3", dataset == "mimic4")


def stay_means(dataset: str, tables: dict) -> dict[str, dict[str, float]]:
    """Mean per admission and variable since the first ICU stay began, in the variable's unit."""
    entered = {row["hadm_id"]: row["intime"] for row in reversed(tables["icustays"])}
    variable = {}
    with (RESOURCES / "items.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["dataset"] == dataset:
                variable[row["itemid"]] = row["variable"], row["label"]
    values: dict[str, dict[str, list[float]]] = {}
    for row in (*tables["chartevents"], *tables["labevents"]):
        name, label = variable[row["itemid"]]
        inside = row["hadm_id"] and row["charttime"] >= entered[row["hadm_id"]]
        if name in EVIDENCE.variables and inside and re.fullmatch(r"\d+(\.\d+)?", row["value"]):
            value = float(row["value"])
            if name == "Temperature" and value > 79:
                value = (value - 32) * 5 / 9
            if name == "Weight" and "lb" in label:
                value *= 0.453592
            if name == "Fraction inspired oxygen" and value > 1:
                value /= 100
            values.setdefault(row["hadm_id"], {}).setdefault(name, []).append(value)
    return {h: {n: statistics.fmean(v) for n, v in found.items()} for h, found in values.items()}


def test_shifts_are_measurable_where_promised_and_absent_elsewhere(raw):
    dataset, _, tables, _, admissions = raw
    means = stay_means(dataset, tables)
    for variable, base in EVIDENCE.variables.items():
        for hadm_id, admission in admissions.items():
            shifts = [EVIDENCE.shift(p, variable) for p in admission.phenotypes]
            planted = max(shifts, key=abs, default=0.0)
            seen = (means[hadm_id][variable] - base.mean) / base.sd
            if planted:
                assert seen * planted > 0 and abs(seen) > 0.4 * abs(planted), (variable, hadm_id, planted, seen)
            else:
                assert abs(seen) < 2.5, (variable, hadm_id, seen)


def test_every_phenotype_occurs_and_some_admissions_have_none(raw):
    admissions = raw[4].values()
    count = {name: sum(name in a.phenotypes for a in admissions) for name in EVIDENCE.phenotypes}
    assert min(count.values()) >= 3
    assert any(not a.phenotypes for a in admissions)
    assert max(len(a.phenotypes) for a in admissions) == 3


def test_codes_are_those_of_the_phenotypes(raw):
    dataset, _, tables, _, admissions = raw
    codes: dict[str, list[str]] = {}
    versions = set()
    for row in tables["diagnoses_icd"]:
        codes.setdefault(row["hadm_id"], []).append(row.get("icd9_code") or row["icd_code"])
        versions.add(row.get("icd_version", "9"))
    assert versions == ({"9"} if dataset == "mimic3" else {"9", "10"})
    for hadm_id, admission in admissions.items():
        for name, planted in EVIDENCE.phenotypes.items():
            billed = not {*planted.icd9, *planted.icd10}.isdisjoint(codes[hadm_id])
            assert billed == (name in admission.phenotypes), (hadm_id, name)
        benign = {*EVIDENCE.distractors["icd9"], *EVIDENCE.distractors["icd10"]}
        assert not benign.isdisjoint(codes[hadm_id])


def test_the_cases_that_the_cohort_rules_drop_are_there(raw):
    dataset, _, tables, *_ = raw
    moved = [
        r
        for r in tables["icustays"]
        if r["first_careunit"] != r["last_careunit"] or r.get("first_wardid") != r.get("last_wardid")
    ]
    assert len(moved) >= 2
    per_admission: dict[str, int] = {}
    for row in tables["icustays"]:
        per_admission[row["hadm_id"]] = per_admission.get(row["hadm_id"], 0) + 1
    assert 2 in per_admission.values()
    if dataset == "mimic4":
        ages = [int(r["anchor_age"]) for r in tables["patients"]]
    else:
        first = {r["subject_id"]: r["admittime"] for r in reversed(tables["admissions"])}
        parse = datetime.fromisoformat
        ages = [(parse(first[r["subject_id"]]) - parse(r["dob"])).days // 365 for r in tables["patients"]]
    assert sum(a < 18 for a in ages) == 3
    assert max(ages) == 91 if dataset == "mimic4" else 299 <= max(ages) <= 301
    assert sum(a >= 18 for a in ages) == PATIENTS


def test_chart_rows_are_dirty_as_in_the_real_files(raw):
    chart = raw[2]["chartevents"]
    stay = "icustay_id" if raw[0] == "mimic3" else "stay_id"
    values = [r["value"] for r in chart]
    assert {">60/minute", "80/xx", ""} <= set(values)
    assert any(not r["hadm_id"] for r in chart) and any(not r[stay] for r in chart)
    dirty = sum(v in (">60/minute", "80/xx", "", "ERROR") for v in values)
    assert dirty < 0.01 * len(values)
    assert stay not in raw[2]["labevents"][0]


def test_units_and_texts_of_both_charting_systems(raw):
    dataset, _, tables, *_ = raw
    values = {r["value"] for r in tables["chartevents"]}
    items = {int(r["itemid"]) for r in tables["chartevents"]}
    assert {"Spontaneously", "None", "Obeys Commands"} <= values
    assert ("4 Spontaneously" in values) == (min(items) < 220000) == (dataset == "mimic3")
    assert 223761 in items  # Fahrenheit


def test_stays_last_half_a_day_to_two_and_a_half_and_hold_vitals_throughout(raw):
    dataset, _, tables, *_ = raw
    key = "icustay_id" if dataset == "mimic3" else "stay_id"
    times: dict[str, set[str]] = {}
    for row in tables["chartevents"]:
        times.setdefault(row[key], set()).add(row["charttime"])
    for row in tables["icustays"]:
        inside = sorted(datetime.fromisoformat(t) for t in times[row[key]])
        entered, left = (datetime.fromisoformat(row[c]) for c in ("intime", "outtime"))
        assert timedelta(hours=12) <= left - entered <= timedelta(hours=60)
        assert entered < inside[0] and inside[-1] <= left
        assert max(b - a for a, b in itertools.pairwise(inside)) < timedelta(hours=2.1)
        assert abs(float(row["los"]) - (left - entered).total_seconds() / 86400) < 1e-4


def test_unusual_notes_are_there(raw):
    dataset, _, tables, _, admissions = raw
    notes = tables["noteevents"]
    reports = [r["hadm_id"] for r in summaries(dataset, tables)]
    assert len(set(reports)) < len(reports)
    assert len(admissions) - len(set(reports)) >= 2
    assert len(courses(dataset, tables)) < len(set(reports))
    if dataset == "mimic3":
        assert {"Addendum", "Nursing Progress Note"} <= {r["description"] for r in notes}
        assert any(r["iserror"] == "1" for r in notes)
        headings = {h for h in HEADINGS if any(f"\n{h}\n" in r["text"] for r in notes)}
        assert headings == set(HEADINGS)
    else:
        assert {r["note_type"] for r in notes} == {"DS", "AD"}
        assert len({r["note_id"] for r in notes}) == len(notes)


def test_identifiers_agree_between_tables(raw):
    tables = raw[2]
    admissions = {(r["subject_id"], r["hadm_id"]) for r in tables["admissions"]}
    assert len(admissions) == len(tables["admissions"])
    for table in ("icustays", "diagnoses_icd", "noteevents", "labevents"):
        assert {(r["subject_id"], r["hadm_id"]) for r in tables[table]} <= admissions
    assert {r["subject_id"] for r in tables["patients"]} == {s for s, _ in admissions}


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_step_writes_every_table_and_labels_it(dataset, tmp_path):
    tables = columns_of_tables(RESOURCES / "raw_tables.yaml", dataset)
    flags = ["--evidence", RESOURCES / "demo" / "evidence.yaml", "--items", RESOURCES / "items.csv"]
    flags += ["--raw-tables", RESOURCES / "raw_tables.yaml", "--dataset", dataset]
    flags += ["--number", "20", "--share=", "--seed", "1"]
    flags += [x for t in tables for x in (f"--{t.replace('_', '-')}", tmp_path / f"{t}.csv.gz")]
    script = RESOURCES.parent / "scripts" / "demo_raw.py"
    subprocess.run([sys.executable, script, *flags], check=True, capture_output=True)
    for table in tables:
        assert rows_of(tmp_path / f"{table}.csv.gz"), table
        assert read_record(tmp_path / f"{table}.csv.gz")["stand_ins"] == ["synthetic cohort"]
