"""The raw files of a rehearsal: as many rows as asked for, the same bytes again, bounded memory."""

import csv
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from raw_folders import rows_of

from clinragen.demo.bulk import write_raw
from clinragen.demo.bulk_sizes import sizes_at
from clinragen.demo.charting import read_items
from clinragen.demo.evidence import read_evidence
from clinragen.demo.hospital_course import HEADINGS
from clinragen.demo.raw_files import columns_of_tables

RESOURCES = Path(__file__).parents[2] / "resources"
DECLARATION = RESOURCES / "raw_tables.yaml"
SHARE = 0.0005


def make(dataset: str, directory: Path, share: float = SHARE, seed: int = 1) -> dict[str, Path]:
    directory.mkdir(parents=True, exist_ok=True)
    columns = columns_of_tables(DECLARATION, dataset)
    paths = {table: directory / f"{table}.csv.gz" for table in columns}
    evidence = read_evidence(RESOURCES / "demo/evidence.yaml")
    write_raw(dataset, share, seed, evidence, read_items(RESOURCES / "items.csv", dataset), DECLARATION, columns, paths)
    return paths


@pytest.fixture(scope="module", params=["mimic3", "mimic4"])
def raw(request, tmp_path_factory):
    paths = make(request.param, tmp_path_factory.mktemp(request.param))
    return request.param, paths, {table: rows_of(path) for table, path in paths.items()}


def test_each_table_has_its_share_of_the_rows_of_the_release(raw):
    dataset, _, tables = raw
    releases = yaml.safe_load(DECLARATION.read_text(encoding="utf-8"))[dataset]["releases"]
    whole = releases["1.4" if dataset == "mimic3" else "3.1"]
    for table, number in whole.items():
        assert len(tables[table]) == pytest.approx(number * SHARE, abs=1), table
    notes = tables["noteevents"]
    assert len(notes) == sizes_at(DECLARATION, dataset, SHARE).notes


def test_the_columns_are_those_of_the_release(raw):
    dataset, paths, _ = raw
    for table, columns in columns_of_tables(DECLARATION, dataset).items():
        with gzip.open(paths[table], "rt", encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        assert header == ([c.upper() for c in columns] if dataset == "mimic3" else columns)


def test_rows_refer_to_rows_that_exist(raw):
    _, _, tables = raw
    stay = "icustay_id" if "icustay_id" in tables["icustays"][0] else "stay_id"
    patients = {row["subject_id"] for row in tables["patients"]}
    admissions = {(row["subject_id"], row["hadm_id"]) for row in tables["admissions"]}
    stays = {row[stay]: row for row in tables["icustays"]}
    assert {subject for subject, _ in admissions} <= patients
    for table in ("icustays", "diagnoses_icd", "noteevents", "chartevents", "labevents"):
        owners = {(row["subject_id"], row["hadm_id"]) for row in tables[table] if row["hadm_id"]}
        assert owners <= admissions, table
    charted = [row for row in tables["chartevents"] if row[stay]]
    assert len(charted) > 0.99 * len(tables["chartevents"])
    assert all(stays[r[stay]]["intime"] <= r["charttime"] <= stays[r[stay]]["outtime"] for r in charted)


def test_most_events_belong_to_no_variable(raw):
    dataset, _, tables = raw
    with (RESOURCES / "items.csv").open(encoding="utf-8", newline="") as file:
        used = {row["itemid"] for row in csv.DictReader(file) if row["dataset"] == dataset}
    for table, share in (("chartevents", 0.16), ("labevents", 0.07)):
        mapped = sum(row["itemid"] in used for row in tables[table]) / len(tables[table])
        assert mapped == pytest.approx(share, abs=0.02), table


def test_discharge_summaries_have_a_realistic_length_and_some_lack_the_course(raw):
    dataset, _, tables = raw
    notes = tables["noteevents"]
    summaries = [r["text"] for r in notes if dataset == "mimic4" or r["category"] == "Discharge summary"]
    words = [len(text.split()) for text in summaries]
    assert min(words) > 1200 and max(words) < 2700 and 1500 < sum(words) / len(words) < 2500
    headed = sum(any(f"\n{h}\n" in text for h in HEADINGS) for text in summaries) / len(summaries)
    assert 0.4 < headed < 0.95


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_same_seed_gives_the_same_bytes(dataset, tmp_path):
    one, two = make(dataset, tmp_path / "one", 0.0001), make(dataset, tmp_path / "two", 0.0001)
    other = make(dataset, tmp_path / "other", 0.0001, seed=2)
    for table in one:
        assert one[table].read_bytes() == two[table].read_bytes(), table
        assert one[table].read_bytes() != other[table].read_bytes(), table


@pytest.mark.slow
def test_memory_does_not_grow_with_the_events(tmp_path):
    """Ten times the rows, no more memory than a few batches."""
    program = (
        "import pathlib, resource, sys, test_demo_bulk as t;"
        "t.make('mimic3', pathlib.Path(sys.argv[1]), float(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    places = (Path(__file__).parent, Path(__file__).parents[1], RESOURCES.parent / "scripts")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}

    def peak(share: float) -> int:
        command = [sys.executable, "-c", program, str(tmp_path), str(share)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
        return int(done.stdout)

    small, large = peak(0.002), peak(0.02)
    assert large < small + 100
