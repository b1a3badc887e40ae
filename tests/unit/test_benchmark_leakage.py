"""How well the names of the phenotypes in the courses predict the labels, on planted evidence."""

import pyarrow as pa
import pytest
from raw_folders import RESOURCES

from clinragen.benchmark.course import clean_course
from clinragen.benchmark.leakage import MEASURES, probe_leakage
from clinragen.benchmark.names import NameSearch, phrases
from clinragen.config.benchmark import Course
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.stop_words import read_stop_words
from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES
from clinragen.schemas.leakage import LEAKAGE

STOP_WORDS = read_stop_words(RESOURCES / "stop_words.txt")
USUAL = Course(min_characters=25, remove_digits=True, remove_stop_words=True, keep_negation=False)
PNEUMONIA = "Pneumonia (except that caused by tuberculosis or sexually transmitted disease)"
FAILURE = "Respiratory failure; insufficiency; arrest (adult)"
SEPTICEMIA = "Septicemia (except in labor)"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Shock", {"shock"}),
        (PNEUMONIA, {"pneumonia"}),
        (FAILURE, {"respiratory failure insufficiency arrest", "respiratory failure", "insufficiency", "arrest"}),
        ("Acute and unspecified renal failure", {"acute unspecified renal failure"}),
        ("Diabetes mellitus with complications", {"diabetes mellitus complications"}),
        ("(only this)", set()),
    ],
)
def test_the_phrases_of_a_name_are_cleaned_like_a_course(name, wanted):
    assert phrases(name, USUAL, STOP_WORDS) == wanted


def test_no_two_phenotypes_share_a_phrase():
    found = [p for name in read_phenotypes(RESOURCES / "phenotypes.csv") for p in phrases(name, USUAL, STOP_WORDS)]
    assert len(found) == len(set(found)) >= 25


def probe(rows: list[tuple[str, set[str]]], names: list[str], settings: Course = USUAL, stays_each: int = 1) -> dict:
    """The probe on rows of text and labels, `stays_each` neighbours belonging to one patient."""
    ids = list(range(len(rows)))
    texts = [clean_course(text, settings, STOP_WORDS) for text, _ in rows]
    courses = pa.table({"stay_id": ids, "heading": ["x"] * len(ids), "text": texts}, schema=COURSES.schema)
    # A stay without a course is not a sample, but has labels.
    labels = [[n for n in names if n in known] for _, known in rows]
    labels = pa.table({"stay_id": [*ids, 9999], "phenotypes": [*labels, names]}, schema=LABELS.schema)
    samples = {
        "stay_id": ids,
        "subject_id": [n // stays_each for n in ids],
        "hadm_id": ids,
        "split": ["train"] * len(ids),
    }
    search = NameSearch(names, settings, STOP_WORDS)
    table = probe_leakage(courses, labels, pa.table(samples, schema=SAMPLES.schema), search)
    return {r.pop("phenotype"): r for r in LEAKAGE.check(table, "test").to_pylist()}


def planted() -> list[tuple[str, set[str]]]:
    """40 stays with pneumonia, of which half name it; of 60 others 15 name it."""
    rows = [("She was treated for PNEUMONIA, and improved.", {PNEUMONIA})] * 20
    rows += [("He had fever and a cough.", {PNEUMONIA})] * 20
    return rows + [("History of pneumonia.", set())] * 15 + [("A broken leg.", set())] * 45


def test_half_of_the_positives_that_name_the_disease_give_a_recall_of_one_half():
    found = probe(planted(), [PNEUMONIA])
    assert found[PNEUMONIA] == {
        "stays": 40,
        "recall": 0.5,
        "others_named": 0.25,
        "precision": pytest.approx(20 / 35),
        "f1": pytest.approx(2 * 20 / (40 + 35)),
    }
    assert found["micro"] == found[PNEUMONIA] and found["macro"] == found[PNEUMONIA] | {"stays": None}


def test_a_negated_disease_counts_as_named_with_and_without_the_negation():
    rows = [("There was no pneumonia on the film.", set())] * 20 + [("A broken leg.", set())] * 20
    rows += [("Pneumonia.", {PNEUMONIA})] * 20
    for keep in (False, True):
        found = probe(rows, [PNEUMONIA], USUAL.model_copy(update={"keep_negation": keep}))[PNEUMONIA]
        assert (found["recall"], found["others_named"], found["precision"]) == (1, 0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("respiratory failure", True),
        ("Acute respiratory  failure.", True),
        ("(respiratory) failure", True),
        ("respiratory and failure", True),  # stop words are gone from what the model reads
        ("cardiac arrest", True),
        ("renal insufficiency", True),
        ("respiratory distress, failure", False),
        ("failure respiratory", False),
        ("respiratory failures", False),
        ("arrested", False),
    ],
)
def test_whole_words_in_their_order(text, named):
    rows = [(text, {FAILURE})] * 20 + [("arrest", set())] * 20 + [("leg", set())] * 20
    assert probe(rows, [FAILURE])[FAILURE]["recall"] == named


def test_micro_pools_the_stays_and_macro_averages_the_phenotypes():
    rows = [(text, known | {"Shock"}) for text, known in planted()] + [("Shock.", set())] * 20
    found = probe(rows, [PNEUMONIA, "Shock"])
    assert found["Shock"] == {"stays": 100, "recall": 0, "others_named": 1, "precision": 0, "f1": 0}
    assert found["micro"]["stays"] == 140 and found["micro"]["recall"] == 20 / 140
    assert found["micro"]["precision"] == pytest.approx(20 / 55)
    assert found["macro"]["recall"] == 0.25 and found["macro"]["stays"] is None


NOTHING = dict.fromkeys(("stays", *MEASURES))


@pytest.mark.parametrize("cell", range(4))
def test_a_row_from_which_a_cell_of_few_patients_follows_is_hidden(cell):
    sizes = [20] * 4
    sizes[cell] = 10
    kinds = [("pneumonia", {PNEUMONIA}), ("leg", {PNEUMONIA}), ("pneumonia", set()), ("leg", set())]
    rows = [kind for kind, size in zip(kinds, sizes, strict=True) for _ in range(size)]
    found = probe(rows, [PNEUMONIA])
    # All that have the label, or all that lack it, are still enough.
    assert found[PNEUMONIA] == NOTHING | {"stays": sizes[0] + sizes[1]}
    assert found["macro"] == NOTHING and {found["micro"][m] for m in MEASURES} == {None}
    assert probe([*rows, kinds[cell]], [PNEUMONIA])[PNEUMONIA]["recall"] is not None


def test_few_patients_with_many_stays_are_hidden():
    rows = sorted(planted(), key=str)
    assert probe(rows, [PNEUMONIA], stays_each=1)[PNEUMONIA]["recall"] == 0.5
    found = probe(rows, [PNEUMONIA], stays_each=5)
    assert found[PNEUMONIA] == found["micro"] == found["macro"] == NOTHING


def test_a_hidden_row_cannot_be_had_from_the_averages_and_the_other_rows():
    names = [PNEUMONIA, "Shock", FAILURE, SEPTICEMIA, "Essential hypertension"]
    rows = [("shock arrest septicemia essential hypertension", set(names))] * 30
    rows += [("pneumonia", set(names))] * 5  # the one small cell: labelled and named
    rows += [("leg", set(names))] * 30 + [("pneumonia shock arrest septicemia essential hypertension", set())] * 30
    rows += [("leg", set())] * 30
    found = probe(rows, names)
    hidden = [name for name in names if found[name]["recall"] is None]
    assert len(hidden) == 3 and PNEUMONIA in hidden
    assert found["micro"]["recall"] is not None, "the three together are enough patients"
    assert {r["stays"] for name, r in found.items() if name in names} == {65}


def test_samples_without_anything_give_zeros():
    found = probe([], [PNEUMONIA])
    assert found[PNEUMONIA] == found["micro"] == {"stays": 0} | dict.fromkeys(MEASURES, 0)
