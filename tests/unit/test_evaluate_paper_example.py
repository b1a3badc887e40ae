"""The example on the front page: published only if the records prove that its data are synthetic or open."""

import json
import shutil

import pyarrow as pa
import pytest
import tiny_tree
from pages import VARIABLES
from runs import OPEN_DEMO
from toy_student import ROOT

from clinragen.evaluate.paper.case_choice import make_case, typical
from clinragen.evaluate.paper.case_example import as_json, example, run
from clinragen.evaluate.paper.case_files import CaseFiles, Shown
from clinragen.evaluate.texts.lab_claims import read_lab_wordings
from clinragen.evaluate.written import Written
from clinragen.provenance.record import record_path
from clinragen.rationale.claims import read_wordings
from clinragen.schemas.benchmark import CAPTIONS, COURSES, FENCES, SCALES, SERIES

UNITS = {variable.name: variable.unit for variable in VARIABLES}
LABS = read_lab_wordings(ROOT / "resources/lab_wordings.csv", list(UNITS))
WORDINGS = read_wordings(ROOT / "resources/phenotype_wordings.csv")
SHOCK, STROKE, LIPID = "Shock", "Acute cerebrovascular disease", "Disorders of lipid metabolism"
PAGE = "mimic3/evaluate/figure7.html"
SECRET = "Mrs. Quillon fell from a ladder"
HIGH, NORMAL = "Glucose is higher than normal 3 times.", "Glucose is normal all the time."


def case(stay, true, predicted):
    return make_case(stay, stay, true, predicted, [], WORDINGS)


# Two phenotypes and an abnormal lab in stays 1 to 4, with F1 of 0, 0.5, 0.8 and 1; one condition fails in 5 and 6.
CASES = [
    case(1, [SHOCK, STROKE], [LIPID]),
    case(2, [SHOCK, STROKE], [SHOCK, LIPID]),
    case(3, [SHOCK, STROKE], [SHOCK, STROKE, LIPID]),
    case(4, [SHOCK, STROKE], [SHOCK, STROKE]),
    case(5, [SHOCK], [SHOCK]),
    case(6, [SHOCK, STROKE], [SHOCK, STROKE]),
]


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Courses, captions and series of six stays, made from `raw`, whose record the test writes."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "results/x"
    directory.mkdir(parents=True)
    stays = [case.stay for case in CASES]
    captions = [NORMAL if stay == 6 else HIGH for stay in stays]
    texts = {"stay_id": stays, "heading": ["x"] * 6, "text": [SECRET] * 6}
    COURSES.write(pa.table(texts, COURSES.schema), directory / "courses.parquet")
    CAPTIONS.write(pa.table({"stay_id": stays, "text": captions}, CAPTIONS.schema), directory / "captions.parquet")
    bins = {"stay_id": stays, "steps": [2] * 6, "values": [[1.0, 2.0]] * 6, "measured": [[True, True]] * 6}
    SERIES.write(pa.table(bins, SERIES.schema), directory / "series.parquet")
    scale = {"variable": ["Glucose"], "mean": [100.0], "std": [50.0], "normal": [90.0]}
    SCALES.write(pa.table(scale, SCALES.schema), directory / "scales.csv")
    FENCES.write(
        pa.table({"variable": ["Glucose"], "low": [60.0], "high": [160.0]}, FENCES.schema), directory / "f.csv"
    )
    files = [
        directory / name for name in ("courses.parquet", "captions.parquet", "series.parquet", "scales.csv", "f.csv")
    ]
    return Shown(*files, [], True, UNITS, LABS)


def read(shown, raw):
    """Write records of the files of the cases, made from this raw file; return their paths."""
    tiny_tree.write("resources/demo/evidence.yaml")
    paths = [f"results/x/{path.name}" for path in (shown.courses, shown.captions, shown.series)]
    for path in paths:
        tiny_tree.made(path, "benchmark_courses", [raw, "resources/demo/evidence.yaml"])
    return [shown.courses.parents[2] / path for path in paths]


def facts(shown, paths):
    written = {case.stay: Written("The patient was in Shock.", None) for case in CASES}
    return example(
        "MIMIC-III", CaseFiles(CASES, written, written, {stay: stay for stay in written}), shown, paths, PAGE
    )


def synthetic():
    tiny_tree.write("resources/demo/evidence.yaml")
    tiny_tree.make("results/x/raw.csv", "demo_raw", ["resources/demo/evidence.yaml"])
    return "results/x/raw.csv"


def test_the_typical_case_has_the_median_f1_whatever_the_order():
    assert [case.f1 for case in CASES[:4]] == [0, 0.5, 0.8, 1]
    assert typical(CASES[:4]) == typical(CASES[3::-1]) == CASES[1]
    assert typical(CASES[:3]) == CASES[1] and typical([]) is None
    assert case(1, [], []).f1 == 0
    equal = [case(stay, [SHOCK], [SHOCK]) for stay in range(9)]
    assert typical(equal) == sorted(equal, key=lambda case: case.order)[4] != equal[4]


def test_a_case_of_synthetic_data_is_published_with_its_rule_and_all_its_parts(shown):
    found = json.loads(as_json(facts(shown, read(shown, synthetic()))))
    assert (found["dataset"], found["fitting"], found["f1"]) == ("MIMIC-III", None, 0.5)
    shown_case = found["case"]
    assert shown_case["note"] == [[SECRET, ""]] and shown_case["captions"] == [[HIGH, "abnormal"]]
    assert shown_case["authors"]["student"]["note"] == [["The patient was in ", ""], ["Shock", "disease"], [".", ""]]
    assert (shown_case["right"], shown_case["missed"], shown_case["wrong"]) == ([SHOCK], [STROKE], [LIPID])
    (curve,) = shown_case["curves"]
    assert (curve["variable"], curve["least"], curve["most"], curve["unit"]) == ("Glucose", 150, 200, UNITS["Glucose"])


def test_a_case_that_the_student_gets_wrong_is_published_once(shown):
    """Stay 1 has none of its phenotypes; it is shown as wrong only if it is not the typical one."""
    found = facts(shown, read(shown, synthetic()))
    assert (found["wrong"]["right"], found["wrong"]["wrong"]) == ([], [LIPID])
    written = {case.stay: Written(None, None) for case in CASES[:1]}
    alone = example("MIMIC-III", CaseFiles(CASES[:1], written, written, {1: 1}), shown, read(shown, synthetic()), PAGE)
    assert alone["case"]["wrong"] == [LIPID] and alone["wrong"] is None


def test_the_whole_run_is_counted_without_what_few_patients_have():
    written = {stay: Written(None, "x", [SHOCK], [SHOCK], stay < 12) for stay in range(30)}
    written |= {stay: Written(None, None, [SHOCK, LIPID], [SHOCK], False) for stay in range(30, 42)}
    found = run(CaseFiles([], {}, written, {stay: stay for stay in written}))
    assert found == {"stays": 42, "exact": 30, "cut": 12, "no_labs": 12}
    # Twelve stays of ten patients, thirty of eleven others: neither a number nor its difference to all is shown.
    few = run(CaseFiles([], {}, written, {s: 100 + s % 10 if s >= 30 else s % 11 for s in written}))
    assert (few["stays"], few["exact"], few["no_labs"]) == (42, None, None)
    assert set(run(CaseFiles([], {}, written, dict.fromkeys(written, 1))).values()) == {None}


def test_without_a_fitting_case_there_is_none(shown):
    paths = read(shown, synthetic())
    written = {case.stay: Written(None, None) for case in CASES[4:]}
    found = example("MIMIC-III", CaseFiles(CASES[4:], written, written, {5: 5, 6: 6}), shown, paths, PAGE)
    assert (found["case"], found["f1"], found["fitting"]) == (None, None, 0)


@pytest.mark.skipif(not OPEN_DEMO.is_dir(), reason="the open MIMIC-III demo is missing")
def test_a_case_of_the_open_demo_is_published(shown):
    table = next(path for path in sorted(OPEN_DEMO.iterdir()) if path.name.startswith("ADMISSIONS.csv"))
    shutil.copy(table, table.name)
    assert facts(shown, read(shown, table.name))["case"]


@pytest.mark.parametrize("damage", ["real", "record is missing", "other content", "input without a record"])
def test_of_any_other_data_only_the_place_of_the_restricted_page_is_written(shown, damage):
    raw = synthetic()
    if damage == "real":
        raw = tiny_tree.write("ADMISSIONS.csv", SECRET).name
    paths = read(shown, raw)
    if damage == "record is missing":
        record_path(paths[0]).unlink()
    elif damage == "other content":
        paths[1].write_bytes(b"other")
    elif damage == "input without a record":
        record_path(shown.courses.with_name("raw.csv")).unlink()
    text = as_json(facts(shown, paths))
    assert json.loads(text) == {"restricted": PAGE} and "Quillon" not in text
