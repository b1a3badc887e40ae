"""Plan of the study: cases of different patients, equal loads, random orders, hidden repeats, checks."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study import SYSTEMS, design

from clinragen.errors import UserError
from clinragen.evaluate.study.plan import assign, choose_cases, number_of_repeats, plan_items

STAYS = list(range(1, 101))
PATIENTS = {stay: stay // 2 for stay in STAYS}


def test_cases_are_of_different_patients_and_a_larger_study_keeps_those_of_a_smaller_one():
    small, large = (choose_cases(STAYS, PATIENTS, design(cases=n)) for n in (10, 40))
    assert large[:10] == small and len({PATIENTS[stay] for stay in large}) == 40
    assert choose_cases(STAYS, PATIENTS, design(cases=10, seed=2)) != small
    assert choose_cases(STAYS[::-1], PATIENTS, design(cases=10)) == small


def test_a_study_is_never_made_smaller_silently():
    with pytest.raises(UserError, match=r"evaluate\.study\.design\.cases: 60, but .* 51 patients; lower"):
        choose_cases(STAYS, PATIENTS, design(cases=60))


def test_without_blocks_every_rater_rates_every_case():
    assert assign(STAYS, design(raters=4)) == dict.fromkeys(("R01", "R02", "R03", "R04"), STAYS)


@settings(max_examples=60)
@given(st.integers(2, 60), st.integers(2, 16), st.integers(2, 16), st.integers(0, 5))
def test_blocks_are_balanced(cases, raters, per_case, seed):
    per_case = min(per_case, raters)
    loads = assign(range(cases), design(raters=raters, raters_per_case=per_case, seed=seed))
    assert Counter(case for own in loads.values() for case in own) == dict.fromkeys(range(cases), per_case)
    assert all(len(set(own)) == len(own) for own in loads.values())
    sizes = [len(own) for own in loads.values()]
    assert max(sizes) - min(sizes) <= 1
    assert loads == assign(range(cases), design(raters=raters, raters_per_case=per_case, seed=seed))


def test_blocks_tie_every_rater_to_every_other():
    """A cyclic design would make five groups of three raters without common cases, so without comparable ratings."""
    loads = assign(STAYS, design(raters=15, raters_per_case=3))
    shared = [len(set(loads[a]) & set(loads[b])) for a, b in combinations(loads, 2)]
    assert min(shared) >= 1 and sum(shared) == 100 * 3


@settings(max_examples=60)
@given(st.integers(2, 40), st.sampled_from([0, 0.05, 0.1, 0.5]), st.integers(0, 4), st.integers(0, 5))
def test_items_of_a_form(cases, share, checks, seed):
    items = plan_items({"R01": range(cases)}, SYSTEMS, design(repeats=share, attention_checks=checks, seed=seed))
    assert [item.number for item in items] == list(range(1, len(items) + 1))
    kinds = Counter(item.kind for item in items)
    repeats = number_of_repeats(cases, share)
    assert kinds == Counter({"case": cases, "repeat": repeats, "attention": checks})
    assert sorted(item.stay for item in items if item.kind == "case") == list(range(cases))
    first = {item.stay: item.number for item in items if item.kind == "case"}
    again = [item for item in items if item.kind == "repeat"]
    assert len({item.stay for item in again}) == repeats
    assert all(item.number - first[item.stay] >= 2 for item in again), "never one after the other"
    for item in items:
        if item.kind == "attention":
            assert item.systems == () and 1 <= item.expected <= 5 and item.number > 1
        else:
            assert sorted(item.systems) == sorted(SYSTEMS) and item.expected is None


@pytest.mark.parametrize(("cases", "share", "repeats"), [(100, 0.1, 10), (12, 0.1, 1), (2, 0.1, 1), (100, 0, 0)])
def test_a_tenth_is_repeated_and_at_least_one(cases, share, repeats):
    assert number_of_repeats(cases, share) == repeats


def test_no_order_is_fixed():
    items = plan_items({f"R{n}": range(100) for n in range(15)}, SYSTEMS, design(repeats=0))
    shown = [item for item in items if item.kind == "case"]
    for place in range(5):
        counts = Counter(item.systems[place] for item in shown)
        # 1,500 draws of five: 300 each, standard deviation 15.5.
        assert all(230 < counts[system] < 370 for system in SYSTEMS)
    orders = {tuple(item.stay for item in shown if item.rater == f"R{n}") for n in range(15)}
    assert len(orders) == 15
    of_one_case = {item.systems for item in shown if item.stay == 7}
    assert len(of_one_case) > 5
