"""The whole workflow on 100 real patients: the open MIMIC-III demo, with stand-in notes."""

import csv
import io
import tarfile

import pyarrow.parquet as pq
import pytest
from browser import CHROMIUM, Browser
from runs import OPEN_DEMO, ROOT, SMALL, overlay, path_with, records, snakemake, succeeded
from site_check import problems_of_site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OPEN_DEMO.is_dir(), reason="the open MIMIC-III demo is not next to the checkout"),
]


@pytest.fixture(scope="module")
def results(fork_python, tmp_path_factory):
    """Results of a finished run with two models."""
    directory = tmp_path_factory.mktemp("open-demo")
    absent = dict.fromkeys(("without-lab-know", "without-know", "without-reasoning"))
    datasets = {"mimic3": {"raw": str(OPEN_DEMO)}}
    tree = overlay(directory / "small.yaml", directory / "results", **SMALL | {"datasets": datasets, "models": absent})
    overlays = ("config/demo.yaml", "config/open-demo.yaml", tree)
    arguments = ("--cores", "2", "--quiet", "rules", "--show-failed-logs", "--", "all")
    succeeded(snakemake("--configfile", *overlays, *arguments, PATH=path_with(fork_python.parent)))
    return directory / "results"


def test_the_cohort_is_the_benchmarks(results):
    with (results / "mimic3/benchmark/attrition.csv").open(encoding="utf-8", newline="") as file:
        steps = {(r["table"], r["order"]): r for r in csv.DictReader(file)}
    assert [steps["stays", n]["stays"] for n in "1234"] == ["136", "126", "115", "114"]
    assert steps["samples", "2"]["stays"] == "113"


def test_notes_are_marked_as_stand_ins_and_name_no_phenotype(results):
    names = [r["phenotype"].lower() for r in csv.DictReader((ROOT / "resources/phenotypes.csv").open(encoding="utf-8"))]
    courses = pq.read_table(results / "mimic3/benchmark/courses.parquet")["text"].to_pylist()
    assert len(courses) > 100
    assert not [course for course in courses for name in names if name in course.lower()]
    for path, record in records(results).items():
        if path.endswith(("courses.parquet", "table1.csv")):
            assert "synthetic notes" in record["stand_ins"]
            assert "open demo cohort (100 patients)" in record["stand_ins"]


def test_the_tables_are_made_and_their_lineage_reaches_the_raw_files(results):
    with (results / "audit/lineage.csv").open(encoding="utf-8", newline="") as file:
        lineage = {r["output"]: r for r in csv.DictReader(file)}
    table = lineage[f"{results}/tables/table1.csv"]
    assert table["complete"] == "true"
    used = {i["path"] for r in records(results).values() for i in r["inputs"]}
    for name in ("ICUSTAYS", "CHARTEVENTS", "LABEVENTS", "DIAGNOSES_ICD"):
        assert f"{OPEN_DEMO}/{name}.csv.gz" in used


def test_nothing_was_written_into_the_folder_of_the_raw_data(results):
    assert not (OPEN_DEMO / ".records").exists()
    assert not list(OPEN_DEMO.glob(".tmp-*"))


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_every_page_of_the_site_is_sound(results, tmp_path):
    with Browser(tmp_path) as browser:
        assert problems_of_site(results, browser) == []


REFERENCE = OPEN_DEMO.parent / "mimic3-benchmarks-demo"


@pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the output of mimic3-benchmarks on the demo is not next to the checkout"
)
def test_the_export_in_compat_mode_is_what_mimic3_benchmarks_makes(tmp_path):
    # As a copy of one's own: it has no note, and none is needed.
    dataset = {"source": "folder", "raw": str(OPEN_DEMO), "test_list": str(REFERENCE / "testset_demo.csv")}
    settings = {"datasets": {"mimic3": dataset, "mimic4": None}, "benchmark": {"compat": True}}
    tree = overlay(tmp_path / "compat.yaml", tmp_path / "results", **settings)
    succeeded(snakemake("--configfile", tree, "--cores", "2", "--show-failed-logs", "export_benchmark"))
    ours = tmp_path / "results" / "mimic3" / "export" / "phenotyping"
    with tarfile.open(REFERENCE / "phenotyping_train.tar.gz") as tar:
        members = {m.name: tar.extractfile(m).read().decode() for m in tar if m.isfile()}
    assert len(members) == 96 and len(list((ours / "test").iterdir())) == 19
    for name, theirs in members.items():
        made = (ours.parent / name).read_text(encoding="utf-8")
        assert list(csv.reader(io.StringIO(made))) == list(csv.reader(io.StringIO(theirs))), name
