"""The whole workflow on 100 real patients of each MIMIC: the open demos, with stand-in notes."""

import csv
import io
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from browser import CHROMIUM, Browser
from runs import OPEN_DEMO, OPEN_DEMO4, ROOT, SMALL, open_demo4, overlay, path_with, records, snakemake, succeeded
from site_check import problems_of_site

from clinragen.demo.notes import TABLES
from clinragen.disclosure import SMALLEST_SHOWN
from clinragen.llm.origin import restricted_origin
from clinragen.registry.raw import TITLES, raw_path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (OPEN_DEMO.is_dir() and OPEN_DEMO4.is_dir()), reason="the open demos of MIMIC are not next to the checkout"
    ),
]
DATASETS = ("mimic3", "mimic4")
# Stays, admissions and subjects after each step of the cohort; stays that become samples.
COHORT = {
    "mimic3": [("136", "129", "100"), ("126", "120", "94"), ("115", "115", "90"), ("114", "114", "89")],
    "mimic4": [("140", "128", "100"), ("129", "119", "96"), ("112", "112", "91"), ("112", "112", "91")],
}
SAMPLES = {"mimic3": "113", "mimic4": "112"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> dict[str, Path]:
    """The directory of each open demo."""
    return {"mimic3": OPEN_DEMO, "mimic4": open_demo4(tmp_path_factory.mktemp("raw") / "mimic4")}


@pytest.fixture(scope="module")
def results(raw, fork_python, tmp_path_factory) -> Path:
    """Results of a finished run with two models on both datasets."""
    directory = tmp_path_factory.mktemp("open-demo")
    absent = dict.fromkeys(("without-lab-know", "without-know", "without-reasoning"))
    # The copy of MIMIC-IV's laboratory events lacks rows, so it is not the release that its patients suggest.
    datasets = {"mimic3": {"raw": str(raw["mimic3"])}, "mimic4": {"raw": str(raw["mimic4"]), "release": "any"}}
    tree = overlay(directory / "small.yaml", directory / "results", **SMALL | {"datasets": datasets, "models": absent})
    overlays = ("config/demo.yaml", "config/open-demo.yaml", tree)
    arguments = ("--cores", "2", "--quiet", "rules", "--show-failed-logs", "--", "all")
    succeeded(snakemake("--configfile", *overlays, *arguments, PATH=path_with(fork_python.parent)))
    return directory / "results"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_cohort_is_the_benchmarks(results, dataset):
    steps = {(r["table"], r["order"]): r for r in rows_of(results / dataset / "benchmark/attrition.csv")}
    cohort = [tuple(steps["stays", n][unit] for unit in ("stays", "admissions", "subjects")) for n in "1234"]
    assert cohort == COHORT[dataset]
    assert steps["samples", "2"]["stays"] == SAMPLES[dataset]


@pytest.mark.parametrize("dataset", DATASETS)
def test_notes_are_marked_as_stand_ins_and_name_no_phenotype(results, dataset):
    names = [r["phenotype"].lower() for r in rows_of(ROOT / "resources/phenotypes.csv")]
    courses = pq.read_table(results / dataset / "benchmark/courses.parquet")["text"].to_pylist()
    assert len(courses) > 100
    assert not [course for course in courses for name in names if name in course.lower()]
    for path, record in records(results).items():
        if path.endswith((f"{dataset}/benchmark/courses.parquet", "table1.csv")):
            assert "synthetic notes" in record["stand_ins"]
            assert f"open demo cohort of {TITLES[dataset]} (100 patients)" in record["stand_ins"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_tables_are_made_and_their_lineage_reaches_the_raw_files(results, raw, dataset):
    lineage = {r["output"]: r for r in rows_of(results / "audit/lineage.csv")}
    assert lineage[f"{results}/tables/table1.csv"]["complete"] == "true"
    rows = [r for r in rows_of(results / "tables/table1.csv") if r["dataset"] == TITLES[dataset]]
    assert {r["model"] for r in rows if r["ours_mean"]} > {"Flan-T5"}
    used = {i["path"] for r in records(results).values() for i in r["inputs"]}
    for table in ("icustays", "chartevents", "labevents", "diagnoses_icd", "outputevents"):
        assert str(raw_path(dataset, raw[dataset], table)) in used


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_card_says_which_data_these_are_and_hides_small_counts(results, dataset):
    card = (results / dataset / "benchmark/card.html").read_text(encoding="utf-8")
    assert "the open demo of PhysioNet (100 patients)" in card
    attrition = rows_of(results / dataset / "benchmark/attrition.csv")
    patients = [int(r["subjects"]) for r in attrition if r["subjects"]]
    assert patients and not [n for n in patients if 0 < n < SMALLEST_SHOWN]


def test_text_of_copies_without_a_pinned_checksum_is_restricted(results, raw):
    reasons = restricted_origin([results / dataset / "benchmark/courses.parquet" for dataset in DATASETS], ROOT)
    unpinned = [("mimic3", "labevents"), *(("mimic4", table) for table in (*TABLES, "patients"))]
    assert {reason.split(":")[0] for reason in reasons} == {str(raw_path(d, raw[d], table)) for d, table in unpinned}


def test_nothing_was_written_into_the_folder_of_the_raw_data(results, raw):
    for directory in (OPEN_DEMO, *OPEN_DEMO4.rglob("*/"), *raw["mimic4"].rglob("*/")):
        assert not (directory / ".records").exists()
        assert not list(directory.glob(".tmp-*"))


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
