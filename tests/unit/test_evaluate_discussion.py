"""Questions of the discussion: bias, subgroups and scores on hand-made examples, and hidden values."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pages import templates
from snakemake.utils import update_config

from clinragen.config.discussion import DiscussionRows, MissingRow
from clinragen.config.evaluate import Bootstrap
from clinragen.config.root import Config, load_config
from clinragen.config.rows import Runs
from clinragen.evaluate.discussion.answers import SEARCH, Data, answers
from clinragen.evaluate.discussion.bias import NET, Texts, bias, read_texts
from clinragen.evaluate.discussion.page import discussion_page
from clinragen.evaluate.discussion.resample import Patients
from clinragen.evaluate.discussion.scores import Row
from clinragen.evaluate.discussion.subgroups import OTHERS, groups_of, subgroups
from clinragen.rationale.claims import read_wordings
from clinragen.schemas.discussion import DISCUSSION, GROUPS
from clinragen.schemas.leakage import LEAKAGE
from clinragen.workflow.discussion import discussion_rows, student_of
from clinragen.workflow.needs import ASKED, BACKBONE, needs_of

ROOT = Path(__file__).parents[2]
SETTINGS = Bootstrap(replicates=1000, seed=1)
PHENOTYPES = ["Pneumonia (except that caused by tuberculosis or sexually transmitted disease)", "Shock"]
EACH = 20  # stays of a kind, each of another patient


def patients(number: int, stays_each: int = 1) -> Patients:
    return Patients(np.arange(number) // stays_each, SETTINGS)


def said(*kinds: tuple[list[int], bool]) -> Texts:
    """Texts about each kind of stays in turn: phenotypes by number, and whether they say "no disease"."""
    named = np.array([[n in names for n in (0, 1)] for names, _ in kinds]).repeat(EACH, axis=0)
    meant = [[frozenset({n}) for n in names] for names, _ in kinds for _ in range(EACH)]
    return Texts(named, np.array([none for _, none in kinds]).repeat(EACH), meant)


def by_measure(rows: list[dict]) -> dict[tuple[str, str], dict]:
    return {(row["model"], row["measure"]): row for row in rows}


# Four kinds of stays, all with the first disease, the last with both; the teacher says of the first kind "no disease".
TRUE = np.array([[True, False], [True, False], [True, False], [True, True]]).repeat(EACH, axis=0)
TEACHER = said(([], True), ([0], False), ([], False), ([0, 1], False))
STUDENT = said(([0], False), ([], True), ([], False), ([0], False))


def test_omissions_of_teacher_and_student_are_counted():
    found = by_measure(bias(TRUE, TEACHER, [STUDENT], "ClinRaGen", patients(len(TRUE))))
    value = {name: row["value"] for name, row in found.items()}
    assert value["GT", "says no disease, of stays with diseases"] == 0.25
    assert value["ClinRaGen", "says no disease, of stays with diseases"] == 0.25
    assert value["ClinRaGen", "names a true disease, of stays of which the teacher says no disease"] == 1.0
    # Each four stays have five true diseases. The teacher names three, the student two, one of them not by the teacher.
    assert value["GT", "does not name, of true diseases"] == 0.4
    assert value["ClinRaGen", "does not name, of true diseases"] == 0.6
    assert value["ClinRaGen", "names, of true diseases that the teacher does not name (found)"] == 0.5
    assert value["ClinRaGen", "does not name, of true diseases that the teacher names (lost)"] == pytest.approx(2 / 3)
    assert value["ClinRaGen", NET] == -0.2
    assert found["ClinRaGen", NET]["n"] == 5 * EACH
    for row in found.values():
        assert row["low"] <= row["value"] <= row["high"]
    low, high = (found["GT", "says no disease, of stays with diseases"][name] for name in ("low", "high"))
    # Binomial of 80 with 0.25: standard error 0.0484.
    assert (low, high) == pytest.approx((0.25 - 1.96 * 0.0484, 0.25 + 1.96 * 0.0484), abs=0.02)


def test_a_wording_of_several_phenotypes_is_true_if_one_of_them_is():
    wordings = read_wordings(ROOT / "resources/phenotype_wordings.csv")
    kinds = ["Diabetes mellitus without complication", "Diabetes mellitus with complications", PHENOTYPES[0]]
    texts = read_texts(["The patient has diabetes."] * EACH + ["The patient has pneumonia."] * EACH, kinds, wordings)
    true = np.array([[True, False, False]] * (2 * EACH))
    found = by_measure(bias(true, texts, [texts], "ClinRaGen", patients(2 * EACH)))
    assert found["GT", "untrue diseases named, per stay"]["value"] == 0.5


def test_counts_are_summed_over_the_runs_of_the_student():
    other = said(([0], False), ([0], False), ([0], False), ([0, 1], False))
    found = by_measure(bias(TRUE, TEACHER, [STUDENT, other], "ClinRaGen", patients(len(TRUE))))
    assert found["ClinRaGen", NET]["value"] == pytest.approx((-1 + 2) / 10)
    assert found["ClinRaGen", NET]["n"] == 10 * EACH
    assert found["GT", "does not name, of true diseases"]["value"] == 0.4


def test_shares_that_few_patients_follow_from_are_hidden_together():
    # Two stays per patient: the teacher says "no disease" only about the ten patients of the first kind.
    found = by_measure(bias(TRUE, TEACHER, [STUDENT], "ClinRaGen", patients(len(TRUE), stays_each=2)))
    hidden = {name for name, row in found.items() if "value" not in row and "n" not in row}
    assert hidden == {name for name in found if "untrue" not in name[1]}


@pytest.mark.parametrize(("healthy", "shown"), [(0, True), (10, False), (11, True)])
def test_the_number_of_ill_stays_is_hidden_where_few_are_healthy(healthy, shown):
    """The number of all stays is next to it."""
    true = np.concatenate([TRUE, np.zeros((healthy, 2), bool)])
    silent = Texts(np.zeros_like(true), np.zeros(len(true), bool), [[]] * len(true))
    found = by_measure(bias(true, silent, [silent], "ClinRaGen", patients(len(true))))
    assert ("n" in found["GT", "says no disease, of stays with diseases"]) == shown
    assert found["GT", "untrue diseases named, per stay"]["n"] == len(true)


def test_a_share_of_nothing_has_no_value():
    """The teacher names every true disease, so there is none that the student could find."""
    everything = said(([0], False), ([0], False), ([0], False), ([0, 1], False))
    found = by_measure(bias(TRUE, everything, [STUDENT], "ClinRaGen", patients(len(TRUE))))
    share = found["ClinRaGen", "names, of true diseases that the teacher does not name (found)"]
    assert share["n"] == 0 and not {"value", "low", "high"} & set(share)
    table = pa.Table.from_pylist([{"dataset": "MIMIC-III", **share}], schema=DISCUSSION.schema)
    html = discussion_page(table, SETTINGS, [], templates("discussion"))
    assert '<td data-label="ClinRaGen">–</td>' in html and "0.0000" not in html


def test_a_rationale_names_what_it_says_that_the_patient_has():
    wordings = read_wordings(ROOT / "resources" / "phenotype_wordings.csv")
    texts = read_texts(
        [
            "Based on the medical notes, the patient was in shock. There was no pneumonia.",
            "Based on the medical notes, pneumonia is supported by the infiltrate.",
            "Based on the medical notes, No disease  was diagnosed.",
            None,
        ],
        PHENOTYPES,
        wordings,
    )
    assert texts.named.tolist() == [[False, True], [True, False], [False, False], [False, False]]
    assert texts.none.tolist() == [False, False, True, False]


def in_groups(**attributes: list) -> pa.Table:
    count = len(next(iter(attributes.values())))
    usual = {"age": [50.0] * count, "sex": ["F"] * count, "unit": ["MICU"] * count, "insurance": ["Medicare"] * count}
    return pa.table({"stay_id": list(range(count)), **(usual | attributes)}, schema=GROUPS.schema)


def grouped(table: pa.Table, predicted: np.ndarray, stays_each: int = 1) -> dict[tuple[str, str], dict]:
    stays, people = table["stay_id"].to_pylist(), patients(len(table), stays_each)
    true = np.ones_like(predicted)
    rows = subgroups(true, [Row("ClinRaGen", predicted[None])], groups_of(table, stays, people), people)
    return {(row["group"], row["measure"]): row for row in rows}


def test_each_group_has_its_f1_and_the_difference_to_all_others():
    """Women are predicted right, men not at all: F1 of 1 and 0."""
    table = in_groups(sex=["F"] * 30 + ["M"] * 20)
    found = grouped(table, np.array([[True]] * 30 + [[False]] * 20))
    assert found["sex: F", "micro F1"]["value"] == 1.0 and found["sex: M", "micro F1"]["value"] == 0.0
    assert found["sex: M", "micro F1 minus the rest"]["value"] == -1.0
    assert found["sex: M", "micro F1"]["n"] == 20
    # A group of all patients has no rest.
    assert found["unit: MICU", "micro F1"]["value"] == 0.75
    assert ("unit: MICU", "micro F1 minus the rest") not in found


@pytest.mark.parametrize(("men", "hidden"), [(11, set()), (10, {"sex: F", f"sex: {OTHERS}"})])
def test_a_group_of_few_patients_is_hidden_with_the_one_that_reveals_it(men, hidden):
    found = grouped(in_groups(sex=["F"] * 30 + ["M"] * men), np.ones((30 + men, 1), dtype=bool))
    assert {group for (group, _), row in found.items() if "value" not in row} == hidden
    assert all("n" not in row for (group, _), row in found.items() if group in hidden)


def test_of_three_groups_the_larger_ones_stay_where_enough_is_hidden():
    units = ["A"] * 40 + ["B"] * 12 + ["C"] * 5
    found = grouped(in_groups(unit=units), np.ones((57, 1), dtype=bool))
    assert {group for (group, _), row in found.items() if "value" not in row} == {"unit: B", f"unit: {OTHERS}"}


def test_stays_of_one_patient_do_not_count_as_patients():
    found = grouped(in_groups(sex=["F"] * 40 + ["M"] * 20), np.ones((60, 1), dtype=bool), stays_each=2)
    assert {group for (group, _), row in found.items() if "value" not in row} == {"sex: F", f"sex: {OTHERS}"}


def test_names_that_few_patients_have_are_not_shown():
    units = ["MICU"] * 40 + ["Unit of Mr Jones"] * 6 + ["Another"] * 6
    groups = {group for group, _ in grouped(in_groups(unit=units), np.ones((52, 1), dtype=bool))}
    assert {g for g in groups if g.startswith("unit")} == {"unit: MICU", f"unit: {OTHERS}"}


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (18, "under 45"),
        (44.9, "under 45"),
        (45, "45 to 64"),
        (65, "65 to 79"),
        (79.9, "65 to 79"),
        (90, "80 and older"),
    ],
)
def test_ages_have_their_group(age, group):
    assert groups_of(in_groups(age=[age]), [0], patients(1))["age"] == [group]


def rows(**other: object) -> DiscussionRows:
    usual = {
        "runs": Runs(datasets=["MIMIC-III"], runs=[]),
        "student": "ClinRaGen",
        "teacher": "LLM Zero-shot -ChatGPT",
        "vocabularies": {"knowledge": "ClinRaGen", "standard": "w/o KNOW"},
        "lists": {"LLM Zero-shot -ChatGPT": "LLM Zero-shot -ChatGPT, with the list"},
        "missing": [MissingRow(question="knowledge", group="pubmed", model="ClinRaGen", remedy="do <this>")],
    }
    return DiscussionRows(**(usual | other))


def data() -> Data:
    """80 stays with both phenotypes; each row names some of them right and nothing wrong."""
    true = np.ones((80, 2), dtype=bool)

    def naming(*numbers: int) -> np.ndarray:
        return np.array([[[n < number] * 2 for n in range(80)] for number in numbers])

    leakage = [
        {"phenotype": name, "stays": 160, "recall": 0.5, "others_named": 0.0, "precision": 1.0, "f1": 2 / 3}
        for name in ("micro", "macro")
    ]
    predicted = {
        "ClinRaGen": naming(70, 80),
        "w/o KNOW": naming(60, 60),
        "LLM Zero-shot -ChatGPT": naming(20),
        "LLM Zero-shot -ChatGPT, with the list": naming(50),
    }
    return Data(
        dataset="MIMIC-III",
        stays=list(range(80)),
        patients=patients(80),
        true=true,
        rows={name: Row(name, each) for name, each in predicted.items()},
        named=Row(SEARCH, naming(40)),
        groups=in_groups(sex=["F"] * 40 + ["M"] * 40),
        leakage=pa.Table.from_pylist(leakage, schema=LEAKAGE.schema),
        teacher=TEACHER,
        students=[STUDENT, STUDENT],
    )


def f1(named: int) -> float:
    return 2 * named / (named + 80)


def test_parity_knowledge_contamination_and_leakage_are_paired_differences_of_means():
    table = DISCUSSION.check(answers(data(), rows()), "test")
    found = {(r["question"], r["model"], r["group"], r["measure"]): r for r in table.to_pylist()}
    student = (f1(70) + f1(80)) / 2
    expected = {
        ("parity", "ClinRaGen", "all", "micro F1"): student,
        ("parity", "ClinRaGen", "all", "micro F1 minus LLM Zero-shot -ChatGPT"): student - f1(20),
        ("knowledge", "w/o KNOW", "standard", "macro F1 minus ClinRaGen"): f1(60) - student,
        ("contamination", "LLM Zero-shot -ChatGPT", "all", "micro F1"): f1(20),
        ("contamination", "LLM Zero-shot -ChatGPT", "all", "micro F1 with the list minus without"): f1(50) - f1(20),
        ("leakage", SEARCH, "all", "recall, all samples"): 0.5,
        ("leakage", SEARCH, "all", "micro F1"): f1(40),
        ("leakage", "ClinRaGen", "all", f"micro F1 minus {SEARCH}"): student - f1(40),
    }
    assert {name: found[name]["value"] for name in expected} == pytest.approx(expected, abs=1e-6)
    difference = found["parity", "ClinRaGen", "all", "micro F1 minus LLM Zero-shot -ChatGPT"]
    assert difference["low"] < difference["value"] < difference["high"]
    assert found["knowledge", "ClinRaGen", "pubmed", "micro F1"]["missing"] == "do <this>"


def test_without_a_row_of_the_teacher_there_is_no_parity_and_the_rest_stays():
    table = answers(data(), rows(teacher=None, lists={})).to_pylist()
    assert {row["question"] for row in table} == {"bias", "subgroups", "knowledge", "parity", "leakage"}
    assert all(row["model"] == "ClinRaGen" for row in table if row["question"] == "parity")


def test_the_page_shows_values_intervals_hidden_and_missing_values():
    few = data()
    few = Data(**(few.__dict__ | {"groups": in_groups(sex=["F"] * 75 + ["M"] * 5)}))
    html = discussion_page(answers(few, rows()), SETTINGS, ["tiny <model>"], templates("discussion"))
    assert "tiny &lt;model&gt;" in html and "do &lt;this&gt;" in html
    assert '<span class="hidden">hidden</span>' in html and "1,000 resamples" in html
    assert "<dt>ClinRaGen, pubmed, micro F1</dt><dd>do &lt;this&gt;</dd>" in html
    # One line for the student and one for each group, with a column per measure; bias has a column per model.
    sections = {name: html[html.index(f'<section id="{name}">') :] for name in ("bias", "subgroups")}
    header = '<thead><tr><th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th></tr></thead>'
    assert header.format("measure", "GT", "ClinRaGen") in sections["bias"]
    assert header.format("model", "micro F1", "micro F1 minus the rest") in sections["subgroups"]
    assert "ClinRaGen <small>sex: F</small>" in sections["subgroups"]
    assert (
        "with the list minus without" in html and 'href="../audit/lineage.html#tables/discussion.csv/MIMIC-III"' in html
    )


def read(*names: str, **overlay: object) -> Config:
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for name in names:
        update_config(merged, yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))
    update_config(merged, {"datasets": {"mimic3": {"source": "synthetic"}}} | overlay)
    return load_config(merged)


def test_rows_that_are_not_configured_are_named_with_the_file_that_has_them():
    files, found = discussion_rows(read())
    assert found.vocabularies == {"knowledge": "ClinRaGen", "standard": "w/o KNOW"} and found.lists == {}
    assert found.teacher == "LLM Zero-shot -ChatGPT"
    assert {(m.question, m.group, m.model) for m in found.missing} == {
        ("knowledge", "pubmed", "ClinRaGen"),
        ("knowledge", "wikipedia", "ClinRaGen"),
        ("contamination", "all", "LLM Zero-shot -ChatGPT"),
        ("contamination", "all", "LLM Zero-shot -LLaMA"),
    }
    assert all("config/discussion.yaml" in m.remedy for m in found.missing)
    assert len(files) == len(found.runs.runs) == 2 * (2 * 5 + 2)


def test_the_overlay_has_all_rows_that_are_missing():
    _, found = discussion_rows(read("discussion.yaml"))
    assert found.missing == [] and set(found.vocabularies) == {"knowledge", "pubmed", "wikipedia", "standard"}
    assert found.lists == {
        "LLM Zero-shot -ChatGPT": "LLM Zero-shot -ChatGPT, with the list",
        "LLM Zero-shot -LLaMA": "LLM Zero-shot -LLaMA, with the list",
    }


def test_without_a_student_with_a_teacher_there_is_no_discussion():
    assert student_of(read(models={"clinragen": None})) is None
    assert student_of(read()) == "clinragen"
    assert discussion_rows(read(asked={"chatgpt-zero-shot": None}))[1].teacher is None


def test_the_discussion_needs_only_its_rows_and_the_claims_need_all_of_the_tables():
    config = read()
    for target in ("evaluate_discussion", f"{config.pathvars.results}/tables/discussion.csv"):
        needs = needs_of([target], config)
        asked = {need.name.split("/")[1] for need in needs if need.kind == ASKED}
        assert asked == {"chatgpt-zero-shot", "llama-zero-shot"}
        assert {need.name for need in needs if need.kind == BACKBONE} == {"flan-t5-small"}
    for target in ("evaluate_claims", f"{config.pathvars.results}/tables/claims.html"):
        assert needs_of([target], config) == needs_of(["tables"], config)
