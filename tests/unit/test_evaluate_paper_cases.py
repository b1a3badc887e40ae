"""Figure 7: the selection of cases, and their page."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import VARIABLES, templates
from toy_student import ROOT

from clinragen.evaluate.paper.case_choice import RULES, Case, case_counts, choose, make_case
from clinragen.evaluate.paper.case_page import Texts, cases_page, curves_of, view
from clinragen.evaluate.paper.case_view import curves, lab_marks, left_out, marked, path, shortened
from clinragen.evaluate.texts.lab_claims import read_lab_wordings
from clinragen.rationale.claims import read_wordings
from clinragen.schemas.paper import CASE_COUNTS

WORDINGS = read_wordings(ROOT / "resources/phenotype_wordings.csv")
LAB_WORDINGS = read_lab_wordings(ROOT / "resources/lab_wordings.csv", [v.name for v in VARIABLES])
RIGHT, MISSES, WRONG = (rule.name for rule in RULES)
SHOCK, STROKE, LIPID = "Shock", "Acute cerebrovascular disease", "Disorders of lipid metabolism"


def case(stay: int, true: str, predicted: str, teacher: list[str] = (), patient: int | None = None) -> Case:
    names = {"S": SHOCK, "C": STROKE, "L": LIPID}
    return make_case(
        stay,
        stay if patient is None else patient,
        [names[t] for t in true],
        [names[p] for p in predicted],
        list(teacher),
        WORDINGS,
    )


def test_omissions_and_denials_are_read_from_the_teachers_rationales():
    both = case(1, "SC", "S", ["Based on the medical notes, the patient was in Shock.", "Lab test shows a stroke."])
    assert both.missed_by_teacher == frozenset() and not both.teacher_says_none
    one = case(1, "SC", "C", ["The patient was in Shock, and there was no stroke."])
    assert one.missed_by_teacher == {STROKE} == one.recovered
    none = case(1, "SC", "S", ["Based on the medical notes, no disease\n was diagnosed."])
    assert none.teacher_says_none and none.missed_by_teacher == {SHOCK, STROKE} and none.recovered == {SHOCK}
    assert case(1, "S", "S").missed_by_teacher == {SHOCK}  # a teacher without a text


def test_each_rule_selects_the_case_that_it_describes():
    complete = "The patient has Shock, a stroke and a disorder of lipid metabolism: hyperlipidemia."
    cases = [
        case(1, "S", "S", [complete]),
        case(2, "SC", "SC", [complete]),
        case(3, "SC", "SCL", ["The patient was in Shock."]),
        case(4, "SCL", "SC", ["no disease was diagnosed"]),
        case(5, "C", "C", ["The patient was in Shock."]),
        case(6, "L", "S", [complete]),
        case(7, "SC", "L", [complete]),
        case(8, "", "", [complete]),
    ]
    found = choose(cases)
    # Right and wrong: most phenotypes. Teacher misses: "no disease" comes first.
    assert {name: chosen.stay for name, chosen in found.items()} == {RIGHT: 2, MISSES: 4, WRONG: 7}
    without = choose([c for c in cases if c.stay != 4])
    assert without[MISSES].stay in (3, 5) and choose([])[RIGHT] is None
    # Of two equal cases, the one with fewer wrong predictions.
    assert without[MISSES].stay == 5


def test_the_selection_ignores_the_order_of_the_cases_and_takes_none_twice():
    cases = [case(n, "S", "S") for n in range(30)]
    first = choose(cases)
    assert first == choose(cases[::-1])
    assert first[RIGHT].stay != first[MISSES].stay and first[WRONG] is None
    # By hash: by number it would be the first of thirty equal cases.
    assert first[RIGHT] == min(cases, key=lambda c: c.order) != cases[0]


def test_counts_of_few_patients_are_hidden():
    cases = [case(n, "S", "S", ["Shock"]) for n in range(12)] + [case(n, "S", "", patient=1) for n in range(20, 40)]
    rows = CASE_COUNTS.check(case_counts("MIMIC-III", cases), "test").to_pylist()
    assert [row["cases"] for row in rows] == [12, 0, None]  # twenty wrong cases of one patient


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60)


@given(TEXT, st.dictionaries(TEXT, st.sampled_from(["term", "disease"]), max_size=4))
def test_marking_changes_no_character(text, marks):
    pieces = marked(text, marks)
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece for piece, _ in pieces)


def test_marks_are_whole_words_and_the_longest_phrase_counts():
    marks = {"ph": "term", "blood pressure": "term", "pressure": "disease"}
    assert marked("pH of phosphate; Blood-pressure, pressures", marks) == [
        ("pH", "term"),
        (" of phosphate; ", ""),
        ("Blood-pressure", "term"),
        (", pressures", ""),
    ]


def test_a_lab_that_a_text_calls_abnormal_is_marked_by_what_the_captions_say():
    text = "Blood sugar is high and pH is low. Heart rate and weight are normal, with fever."
    marks = lab_marks(text, {("Glucose", "higher"), ("pH", "higher"), ("Heart Rate", "higher")}, LAB_WORDINGS)
    shown = {piece.lower(): kind for piece, kind in marked(text, marks) if kind}
    # Calling a lab normal is not a claim, even if the captions disagree.
    assert shown == {"blood sugar": "abnormal", "ph": "contradicted", "fever": "contradicted"}


def test_abnormal_labs_that_a_text_leaves_out_are_listed():
    captions = {("Glucose", "higher"), ("pH", "lower"), ("Heart Rate", "higher")}
    assert left_out("Blood sugar is high; pH is high.", captions, LAB_WORDINGS) == ["Heart Rate higher", "pH lower"]
    assert left_out("", captions, LAB_WORDINGS) == ["Glucose higher", "Heart Rate higher", "pH lower"]


def test_a_lab_with_a_right_and_a_wrong_direction_is_contradicted():
    text = "Glucose is higher than normal 2 times and lower than normal."
    assert lab_marks(text, {("Glucose", "higher")}, LAB_WORDINGS)["glucose"] == "contradicted"


def test_a_long_note_is_cut_at_a_space():
    assert shortened("ab cd ef", 5) == "ab …" and shortened("ab", 5) == "ab"


def test_curves_are_of_measured_values_in_their_units():
    scales = [{"variable": "pH", "mean": 7.0, "std": 0.5}, {"variable": "Weight", "mean": 0.0, "std": 1.0}]
    fences = [{"variable": "pH", "low": 7.0, "high": 8.0}, {"variable": "Weight", "low": -np.inf, "high": np.inf}]
    series = {
        "steps": 3,
        "values": [0.0, 5.0, 9.0, 5.0, 4.0, 5.0],
        "measured": [True, False, False, False, True, False],
    }
    (curve,) = curves_of(series, scales, fences, scaled=True)
    # 7.0 is at the low fence, 9.0 above the high one; the 11.5 in between was filled.
    assert (curve.variable, curve.least, curve.most) == ("pH", 7.0, 9.0)
    assert len(curve.points) == len(curve.beyond) == 2 and curve.low > curve.high  # heights grow downwards
    assert (curves_of(series, scales, fences, scaled=False)[0].least, len(path(curve.points).split())) == (0.0, 2)


def test_a_constant_curve_and_a_single_value_are_drawn():
    values, measured = np.full((4, 1), 2.0), np.array([[True], [False], [False], [True]])
    (flat,) = curves(values, measured, ["x"], {})
    assert flat.points[0][1] == flat.points[1][1] and flat.low is None
    (single,) = curves(values[:1], measured[:1], ["x"], {})
    assert len(set(path(single.points).split())) == 1


EVIL = "<script>alert('x')</script>"


@pytest.fixture
def page():
    chosen = case(1, "S", "S", ["Shock"])
    texts = Texts(
        f"{EVIL} shock & more", f"pH is {EVIL}. Glucose is normal all the time.", (f"Shock {EVIL}", EVIL), (EVIL, None)
    )
    terms = [{"phenotype": SHOCK, "forms": ["script", "more"]}]
    series = {"steps": 1, "values": [1.0], "measured": [True]}
    scales = [{"variable": EVIL, "mean": 0.0, "std": 1.0}]
    drawn = curves_of(series, scales, [], True)
    views = {RIGHT: view(chosen, texts, drawn, terms, {EVIL: f"mg {EVIL}"}, LAB_WORDINGS), MISSES: None, WRONG: None}
    counts = case_counts("MIMIC-III", [chosen])

    def make(cases):
        return cases_page("MIMIC-III", cases, counts, 1, [EVIL], "results/x/figure7.html", False, templates("cases"))

    return make(views), make(None)


def test_texts_of_patients_are_escaped_even_where_they_are_marked(page):
    text, _ = page
    assert text.count("<script") == 1, "that of every page"
    assert "&lt;" in text
    assert '&lt;<mark class="term">script</mark>&gt;' in text
    assert '<mark class="disease">Shock</mark>' in text and '<mark class="term">more</mark>' in text
    assert "1 to 1 mg &lt;script&gt;" in text
    assert not re.search(r"https?:|src=|<link|@import|url\(", text)


def test_the_page_for_everybody_has_rules_and_counts_but_no_text(page):
    _, text = page
    assert RIGHT in text and "results/x/figure7.html" in text and 'class="hidden">hidden' in text
    for private in ("shock", "alert('x')</p>", "Glucose", 'curve"', "more</mark>"):
        assert private not in text


@pytest.mark.parametrize(("stand_ins", "real"), [(["synthetic cohort"], False), (["tiny model"], True), ([], True)])
def test_the_page_for_everybody_says_whose_texts_it_leaves_out(stand_ins, real):
    counts = case_counts("MIMIC-III", [])
    text = cases_page("MIMIC-III", None, counts, 0, stand_ins, "results/x/figure7.html", False, templates("cases"))
    assert ("derived from single patients" in text) == real and ("no patient is real" in text) != real
    assert "<code>results/x/figure7.html</code>" in text and 'figure7.html"' not in text


def test_the_page_for_everybody_links_texts_that_are_proven_to_be_open():
    counts = case_counts("MIMIC-IV", [])
    text = cases_page("MIMIC-IV", None, counts, 0, [], "results/x/figure7.html", True, templates("cases"))
    assert '<a class="file" href="../mimic4/evaluate/figure7.html">results/x/figure7.html</a>' in text
    assert "derived from single patients" not in text


def test_a_rule_without_a_case_says_so(page):
    assert page[0].count("No case fits.") == 2
