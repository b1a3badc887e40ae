"""The floor: the same diagnoses for all, and those that a course names, on hand-made cases."""

from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_folders import RESOURCES

from clinragen.benchmark.course import clean_course
from clinragen.benchmark.floor import most_frequent, predict_majority, predict_names
from clinragen.benchmark.leakage import probe_leakage
from clinragen.benchmark.names import NameSearch
from clinragen.config.benchmark import Course
from clinragen.errors import UserError
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.stop_words import read_stop_words
from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES
from clinragen.schemas.predictions import PREDICTIONS

NAMES = read_phenotypes(RESOURCES / "phenotypes.csv")
STOP_WORDS = read_stop_words(RESOURCES / "stop_words.txt")
USUAL = Course(min_characters=25, remove_digits=True, remove_stop_words=True, keep_negation=False)
SHOCK, HYPERTENSION = "Shock", "Essential hypertension"
FAILURE = "Respiratory failure; insufficiency; arrest (adult)"


def tables(true: list[list[str]], splits: list[str], texts: list[str] | None = None) -> tuple[pa.Table, ...]:
    """Labels, samples and courses of stays 9, 8, 7, ..., so that their order is not that of the splits."""
    stays = list(range(9, 9 - len(true), -1))
    labels = pa.table({"stay_id": stays, "phenotypes": true}, schema=LABELS.schema)
    samples = pa.table({"stay_id": stays, "subject_id": stays, "hadm_id": stays, "split": splits}, SAMPLES.schema)
    cleaned = [clean_course(text, USUAL, STOP_WORDS) for text in texts or [""] * len(true)]
    courses = pa.table({"stay_id": stays, "heading": ["x"] * len(true), "text": cleaned}, COURSES.schema)
    return labels, samples, courses


def test_the_majority_of_the_training_split_is_named_for_every_test_stay():
    true = [[SHOCK], [SHOCK, HYPERTENSION], [SHOCK], [HYPERTENSION], [], [FAILURE]]
    splits = ["train", "train", "train", "validation", "test", "test"]
    labels, samples, _ = tables(true, splits)
    found = PREDICTIONS.check(predict_majority(labels, samples, NAMES), "test").to_pylist()
    # Shock alone: 2 x 3 hits of 3 + 4; both: 2 x 4 of 6 + 4.
    assert [row["predicted"] for row in found] == [[SHOCK], [SHOCK]]
    assert [(row["stay_id"], row["true"], row["output"]) for row in found] == [(4, [FAILURE], ""), (5, [], "")]
    assert all(row["readable"] and row["end"] is None and row["status"] == "good" for row in found)


def test_the_majority_may_be_several_or_none_and_needs_samples():
    assert most_frequent([[SHOCK, HYPERTENSION], [HYPERTENSION, SHOCK], [SHOCK]], NAMES) == sorted(
        [SHOCK, HYPERTENSION], key=NAMES.index
    )
    assert most_frequent([[], []], NAMES) == []
    with pytest.raises(UserError, match="no training samples"):
        most_frequent([], NAMES)


def micro_f1(predicted: set[str], true: list[list[str]]) -> float:
    hits = sum(len(predicted & set(names)) for names in true)
    named = len(predicted) * len(true) + sum(map(len, true))
    return 2 * hits / named if named else 0.0


@given(st.lists(st.lists(st.sampled_from(NAMES[:5]), unique=True), min_size=1, max_size=8))
def test_no_other_set_has_a_higher_f1_where_it_is_chosen(true):
    every = [set(chosen) for k in range(6) for chosen in combinations(NAMES[:5], k)]
    assert micro_f1(set(most_frequent(true, NAMES[:5])), true) == max(micro_f1(each, true) for each in every)


def test_what_a_course_names_is_found_in_the_test_split_and_nothing_is_understood():
    texts = [
        "Treated for septic shock. Respiratory Failure on admission, intubated.",
        "No shock. Hypertension was known.",
        "shockwave lithotripsy of stones, uneventful course and discharge",
        "in shock, but of the training split, no sample of the test",
    ]
    labels, samples, courses = tables([[SHOCK], [HYPERTENSION], [], [SHOCK]], ["test"] * 3 + ["train"], texts)
    table = predict_names(courses, labels, samples, NameSearch(NAMES, USUAL, STOP_WORDS))
    found = {row["stay_id"]: row["predicted"] for row in PREDICTIONS.check(table, "test").to_pylist()}
    assert found == {9: [FAILURE, SHOCK], 8: [SHOCK], 7: []}


def test_the_hits_of_the_name_search_are_those_of_the_leakage_table():
    """More than ten patients of each kind, so that the table hides nothing of them."""
    texts = ["in shock on arrival, fluids and pressors were given at once"] * 24 + [
        "tablets and an uneventful day"
    ] * 36
    true = [[SHOCK]] * 12 + [[]] * 12 + [[SHOCK]] * 12 + [[]] * 24
    stays = list(range(60))
    labels = pa.table({"stay_id": stays, "phenotypes": true}, schema=LABELS.schema)
    samples = pa.table(
        {"stay_id": stays, "subject_id": stays, "hadm_id": stays, "split": ["test"] * 60}, SAMPLES.schema
    )
    courses = pa.table({"stay_id": stays, "heading": ["x"] * 60, "text": texts}, COURSES.schema)
    search = NameSearch([SHOCK], USUAL, STOP_WORDS)
    leaked = probe_leakage(courses, labels, samples, search).to_pylist()[0]
    found = predict_names(courses, labels, samples, search).to_pylist()
    hits = sum(set(row["predicted"]) == {SHOCK} == set(row["true"]) for row in found)
    assert (hits / 24, leaked["recall"], leaked["precision"]) == (0.5, 0.5, 0.5)
