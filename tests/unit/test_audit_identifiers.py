"""Identifiers planted into files of a release are found, and other numbers are not."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attacks import (
    HADM,
    NINE,
    PLANTED,
    SHORT,
    STAY,
    SUBJECT,
    as_bytes,
    coded,
    declared_parquet,
    kinds,
    parquet,
    png,
    scan,
)
from tiny_tree import attrition

from clinragen.audit.identifiers import Identifiers
from clinragen.audit.scan import Scan, Shared, Source


@pytest.mark.parametrize("way", PLANTED)
def test_an_identifier_is_found(sources, way):
    assert kinds(sources, *PLANTED[way]) == {"identifier"}


@pytest.mark.parametrize("column", ["subject_id", "HADM_ID", "stay id", "note_id", "icustay_id", "mrn",
    "example_stay_id", "SUBJECT_ID_x", "subject_id.1", "first hadm_id"])  # fmt: skip
def test_a_column_of_identifiers_is_one_whatever_it_holds(sources, column):
    for name, data in {
        "a.html": f"<table><thead><tr><th>{column}</th></tr></thead><tr><td>7</td></tr></table>",
        "a.md": f"| x | {column} |\n|---|---|\n| 1 | 7 |\n",
        "b.md": f"x | {column}\n--- | ---\n1 | 7\n",
    }.items():
        (found,) = scan(sources, {name: data}).findings
        assert (found.kind, found.place.split(", ")[-1]) == ("column of identifiers", f"column {column}")
    for name, data in {"a.csv": f"x,{column}\n1,7\n", "a.parquet": parquet(pa.table({column: [7]}))}.items():
        assert kinds(sources, name, data) == {"cannot be released"}


def test_a_column_of_known_numbers_is_one_of_identifiers_whatever_its_name(tmp_path):
    known = [3, 14, 159, 2653, 58979, 32384]
    pq.write_table(pa.table({"subject_id": known}), tmp_path / "s.parquet")
    sources = [Source("s", tmp_path / "s.parquet")]

    def page(name: str, values: list[int]) -> str:
        rows = "".join(f"<tr><td>{value}<td>y" for value in values)
        return f"<table><tr><th>{name}<th>x{rows}</table>"

    def lines(name: str, values: list[int]) -> str:
        return f"|{name}|x|\n|---|---|\n" + "".join(f"|{value}|y|\n" for value in values)

    for name, write in {"a.html": page, "a.md": lines}.items():
        (found,) = scan(sources, {name: write("z", known)}).findings
        assert (found.kind, found.place) == ("column of identifiers", "column z")
        assert scan(sources, {name: write("z", [*known, 4, 5, 6])}).findings == []
        for count in ("stays", "rows", "median_hours", "icd_code"):
            assert scan(sources, {name: write(count, known)}).findings == []
    texts = attrition(*map(str, known))
    assert [one.kind for one in scan(sources, {"a.csv": texts}).findings] == ["column of identifiers"]


HARMLESS = {
    "size in text": ("a.json", json.dumps({"description": f"{HADM} rows, {SUBJECT} bytes."})),
    "size": ("a.json", json.dumps({"bytes": HADM, "rows": SUBJECT, "contentSize": str(HADM)})),
    "count": ("a.csv", attrition("x").replace("1,1,1,1", f"{STAY},{HADM},{SHORT},{SUBJECT}")),
    "count in a page": ("a.html", f"<table><tr><th>step<th>stays<tr><td>a<td>{HADM}</table>"),
    "count of cases": ("a.html", f"<table><tr><th>rule<th>cases that fit<tr><td>a<td>{SHORT}</table>"),
    "hash after its name": ("a.html", f"<dt>sha256</dt><dd>{'a' * 20}{HADM}{'b' * 20}</dd>"),
    "job": ("a.json", json.dumps({"hardware": {"slurm": {"SLURM_JOB_ID": str(HADM)}}})),
    "memory": ("a.json", json.dumps({"command": ["--memory-limit-mb", str(HADM)], "d": f"--memory-limit-mb {HADM}"})),
    "property": ("a.json", json.dumps({"propertyID": "peak_memory_mb", "value": str(HADM)})),
    "hash": ("a.csv", attrition(f"{'a' * 20}{HADM}{'b' * 20}")),
    "decimal": ("a.md", f"0.{HADM}\n1.{SUBJECT}\n{HADM}.25\n"),
    "longer number": ("a.md", f"1{SUBJECT}1"),
    "short count": ("a.md", f"|stays|x|\n|---|---|\n|{SHORT}|{SHORT}|\n"),
    "short count in json": ("a.json", json.dumps({"stays": SHORT, "patients": SHORT, "lengths": {"note": SHORT}})),
    "measure": ("a.md", f"|stay_hours|patient_age|\n|---|---|\n|{SHORT}|{SHORT}|\n"),
    "numbers of words": ("a.json", json.dumps({"ids": [SHORT], "id": SHORT})),
    "length of stay": ("a.md", f"length of stay: {SHORT} days; length of stay = {SHORT} d, icu stay: {SHORT} hours"),
    "short in text": ("a.md", f"{SHORT} patients, {SHORT} stays; after stay 24 h"),
    "pixels": ("a.html", f'<img src="data:image/png;base64,{coded(png())}">'),
}


@pytest.mark.parametrize("way", HARMLESS)
def test_a_number_that_is_no_identifier_is_none(sources, way):
    assert kinds(sources, *HARMLESS[way]) == set()


def test_numbers_of_what_was_made_of_public_documents_are_no_identifiers_and_its_texts_are_compared(sources):
    for name, data in {
        "a.parquet": declared_parquet(str(SUBJECT), "patient 10011"),
        "a.md": f"subject_id: {SHORT}",
    }.items():
        assert Scan([Shared(name, as_bytes(data), public=True)], sources).run().findings == []
        assert scan(sources, {name: data}).findings != []
    (found,) = Scan([Shared("a.md", NINE.encode(), public=True)], sources).run().findings
    assert found.kind == "text"


def test_where_every_number_is_a_patients_only_those_said_to_be_are_found(tmp_path):
    # As in MIMIC-III, whose patients are numbered almost without a gap.
    pq.write_table(pa.table({"subject_id": range(1, 100_000)}), tmp_path / "s.parquet")
    sources = [Source("s", tmp_path / "s.parquet")]
    for text in (
        "In 2019 we enrolled 4512 patients; length of stay: 12 days (range 3-40), ICU stay: 7 days, hospital stay 9 d.",
        "Patients 65 years and older (n = 812) stayed 5 h; 28-day mortality was 1234 of 4512. PMID 31452.",
        "model 3: stays 120, patients: 4512, rows: 300; seed 1",
    ):
        assert kinds(sources, "a.md", text) == set(), text
    tables = {
        "prevalence.md": "|phenotype|stays|share|\n|---|---|---|\n"
        + "".join(f"|p{n}|{31 + n}|0.{n}|\n" for n in range(9)),
        "unlabelled.md": "|icd_code|stays|\n|---|---|\n" + "".join(f"|{4019 + n}|{n}|\n" for n in range(9)),
        "attrition.csv": attrition(*(f"step {n}" for n in range(9))),
        "table4.md": "|model|note, quality|\n|---|---|\n|ours|1.0000|\n|theirs|3.00|\n",
        "table3.md": "|stage|jobs|\n|---|---|\n" + "".join(f"|s{n}|{n + 4}|\n" for n in range(9)),
        "tokens.md": "|text|95 %|\n|---|---|\n" + "".join(f"|t{n}|{n + 890}|\n" for n in range(9)),
        "figure5.svg": '<svg><path id="m264e039012" d="M 0 3"/><g clip-path="url(#p0a61123456)"/></svg>',
        "card.html": "<table><tr><th>part<th>third quartile</tr><tr><td>train<td>48</tr></table>",
        "vocabulary.json": json.dumps({"size": 32100, "ids": list(range(20)), "max_note_tokens": 512}),
    }
    for name, data in tables.items():
        assert kinds(sources, name, data) == set(), name
    for text in ("patient 4512 died", "patient: 12", "subjects 812, 4512", "SUBJECT_ID 12", "icu stay: 7"):
        assert kinds(sources, "a.md", text) == {"identifier"}, text


def test_digits_of_pictures_and_sizes_of_models_are_no_identifiers():
    known = Identifiers({"100123", "125", "256", "10011"})
    assert not known.contained("data:image/png;base64,iVBORw0KGgoAAAB100123AAAA=")
    assert known.contained("data:image/png;base64,AAAAAAAAAAAAAAAB100123AAAA=")
    assert known.contained("data:image/png;base64,iVBORw0KGgoAAAABAAAA== 100123")
    assert not known.in_name("results/x/knowledge/vocab/opt-125m.json")
    for name in ("results/x/opt-125m/10011.csv", "results/x/10011m.csv", "results/x/stay-125.csv"):
        assert known.in_name(name), name


def test_a_long_identifier_of_a_real_cohort_in_a_tracked_file_is_told(tmp_path):
    pq.write_table(pa.table({"subject_id": [SUBJECT, HADM]}), tmp_path / "s.parquet")
    tracked = {"scripts/x.py": f"START = {SUBJECT}\nITEM = {HADM}\n"}
    found = scan([Source("s", tmp_path / "s.parquet")], {}, tracked)
    assert found.findings == []
    assert found.remarks == ["scripts/x.py: a number is also an identifier of the cohort: by chance?"]
    for text in (f"{SUBJECT} and {SUBJECT + 1}", "see 10000032-DS-21"):
        pq.write_table(
            pa.table({"subject_id": [SUBJECT, SUBJECT + 1], "note_id": ["10000032-DS-21", None]}),
            tmp_path / "t.parquet",
        )
        (found,) = scan([Source("t", tmp_path / "t.parquet")], {}, {"docs/a.md": text}).findings
        assert (found.file, found.kind) == ("docs/a.md", "identifier") and str(SUBJECT) not in found.place
