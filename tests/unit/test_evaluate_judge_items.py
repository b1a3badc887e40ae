"""Rated rationales, and controls that are wrong on purpose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinragen.config.judge import Controls, Question
from clinragen.errors import UserError
from clinragen.evaluate.judge.items import (
    build_items,
    choose_cases,
    derangement,
    wrong_diagnoses,
)
from clinragen.rationale.generate import Sample
from clinragen.schemas.judge import ANOTHER_PATIENT, WRONG_DIAGNOSES
from clinragen.schemas.ratings import AS_WRITTEN

STAYS = [1, 2, 3, 4]
CASES = [Sample(n, f"note {n}", [f"D{n}"], f"captions {n}") for n in STAYS]
PATIENTS = {1: 10, 2: 10, 3: 30, 4: 40}  # two stays of one patient
SYSTEMS = {
    "GT": {n: (f"gt note {n}", f"gt lab {n}") for n in STAYS},
    "S": {n: ("" if n == 4 else f"s note {n}", "") for n in STAYS},
}


def question(cases: int = 4, another: int = 4, wrong: int = 4, seed: int = 1) -> Question:
    return Question(cases=cases, seed=seed, controls=Controls(swapped=another, wrong_diagnoses=wrong))


def test_every_system_is_rated_on_every_case_and_nothing_else_without_controls():
    items = build_items(CASES, PATIENTS, SYSTEMS, question(another=0, wrong=0))
    assert [(i.sample.stay_id, i.system) for i in items] == [(n, s) for n in STAYS for s in SYSTEMS]
    assert {i.condition for i in items} == {AS_WRITTEN}
    assert [i.words for i in items][-2:] == [6, 0]


def test_controls_have_the_rationale_or_the_diagnoses_of_swapped():
    items = build_items(CASES, PATIENTS, SYSTEMS, question())
    written = {(i.sample.stay_id, i.system): i for i in items if i.condition == AS_WRITTEN}
    swapped = [i for i in items if i.condition == ANOTHER_PATIENT]
    assert len(swapped) == 4 + 2  # S has written nothing about stay 4, so neither that nor a text in its place
    for item in swapped:
        stay = item.sample.stay_id
        own = written[stay, item.system]
        (donor,) = [n for n in STAYS if SYSTEMS[item.system][n] == (item.note_rationale, item.lab_rationale)]
        assert PATIENTS[donor] != PATIENTS[stay] and item.sample == own.sample
    wrong = [i for i in items if i.condition == WRONG_DIAGNOSES]
    assert len(wrong) == 4 + 3
    for item in wrong:
        own = written[item.sample.stay_id, item.system]
        assert not set(item.sample.diagnoses) & set(own.sample.diagnoses) and item.note_rationale == own.note_rationale


def test_a_text_shared_by_two_patients_is_not_a_control():
    same = {"S": dict.fromkeys(STAYS, ("always this", ""))}
    items = build_items(CASES, PATIENTS, same, question(wrong=0))
    assert {i.condition for i in items} == {AS_WRITTEN}


def test_a_system_without_a_row_for_a_case_is_an_error_that_names_it():
    short = SYSTEMS | {"Mistral": {1: ("a", "b")}}
    with pytest.raises(UserError, match="the rationales of Mistral: 3 of 4 cases have no row"):
        build_items(CASES, PATIENTS, short, question())


@given(st.lists(st.integers(0, 6), min_size=0, max_size=30), st.integers(0, 3))
def test_a_derangement_gives_every_stay_the_text_of_swapped(owners, seed):
    patients = dict(enumerate(owners))
    found = derangement(list(patients), patients, seed)
    assert all(patients[stay] != patients[other] for stay, other in found.items())
    assert len(set(found.values())) == len(found)
    if owners and max(owners.count(owner) for owner in owners) * 2 <= len(owners):
        assert set(found) == set(patients)


def test_more_cases_keep_those_of_fewer_and_purposes_are_independent():
    stays = list(range(100))
    few, many = choose_cases(stays, 20, 1), choose_cases(stays, 50, 1)
    assert set(few) < set(many) and few == sorted(few) and choose_cases(stays, 500, 1) == stays
    assert choose_cases(stays, 20, 2) != few != choose_cases(stays, 20, 1, WRONG_DIAGNOSES)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([["A"], ["B"], ["A", "C"]], ["B"]),  # none in common
        ([["A", "C"], ["A", "B", "C", "D"]], ["A", "B", "C", "D"]),  # the smallest share
        ([[], ["B"]], ["B"]),  # some disease rather than none
        ([[]], []),
        ([["A"], ["A"]], None),  # nobody has others
        ([], None),
    ],
)
def test_wrong_diagnoses_have_as_little_as_possible_in_common(others, expected):
    case = Sample(0, "n", ["A"])
    cases = [case, Sample(99, "n", ["Z"]), *(Sample(n, "n", d) for n, d in enumerate(others, 1))]
    patients = {0: 0, 99: 0} | {n: n for n in range(1, len(others) + 1)}  # stay 99 is of the same patient
    assert wrong_diagnoses(case, cases, patients, 1) == expected
