"""Precision, recall and F1 by hand, and as scikit-learn computes them."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer
from toy_student import PHENOTYPES

from clinragen.errors import UserError
from clinragen.evaluate.scores import score
from clinragen.schemas.evaluate import SCORES
from clinragen.schemas.predictions import PREDICTIONS

A, B, C = "a", "b", "c"


def predictions(pairs: list[tuple[list[str], list[str]]]) -> pa.Table:
    """Pairs of true and predicted names."""
    rows = [
        {"stay_id": i, "output": "", "predicted": found, "unknown": [], "readable": True, "true": true}
        for i, (true, found) in enumerate(pairs)
    ]
    return pa.Table.from_pylist(rows, PREDICTIONS.schema)


def scores(pairs: list[tuple[list[str], list[str]]], names: list[str]) -> dict[str, float]:
    table = SCORES.check(score(predictions(pairs), names, "MIMIC-III", "ClinRaGen", 3), "test")
    assert {(r["dataset"], r["model"], r["seed"], r["samples"]) for r in table.to_pylist()} == {
        ("MIMIC-III", "ClinRaGen", 3, len(pairs))
    }
    return {f"{r['average']}_{r['metric']}": r["value"] for r in table.to_pylist()}


def test_values_by_hand():
    """a: 1 right, 1 wrong, 1 missed; b: true once and never predicted; c: predicted once and never true."""
    found = scores([([A], [A, C]), ([A, B], []), ([], [A])], [A, B, C])
    assert found == pytest.approx(
        {
            "micro_precision": 1 / 3,
            "micro_recall": 1 / 3,
            "micro_f1": 1 / 3,
            "macro_precision": (1 / 2 + 0 + 0) / 3,
            "macro_recall": (1 / 2 + 0 + 0) / 3,
            "macro_f1": (1 / 2 + 0 + 0) / 3,
        }
    )


def test_a_phenotype_without_samples_counts_as_zero_in_the_macro_mean():
    found = scores([([A], [A])], [A, B])
    assert found["micro_f1"] == 1 and found["macro_f1"] == found["macro_recall"] == 0.5


def test_outputs_that_cannot_be_read_are_counted_and_given_diagnoses_are_not_scored():
    table = predictions([([A], [A]), ([A], [])])
    place = table.column_names.index("readable")
    unread = table.set_column(place, table.schema.field("readable"), [[True, False]])
    found = SCORES.check(score(unread, [A], "MIMIC-III", "ChatGPT", None), "test").to_pylist()
    assert {(r["seed"], r["samples"], r["unreadable"]) for r in found} == {(None, 2, 1)}
    given = table.set_column(place, table.schema.field("readable"), [pa.array([None, None], pa.bool_())])
    with pytest.raises(UserError, match=r"Mistral was given the diagnoses \(asked\.<name>\.question"):
        score(given, [A], "MIMIC-III", "Mistral", None)


def test_nothing_predicted_is_zero_and_not_an_error():
    assert set(scores([([A], []), ([B], [])], [A, B]).values()) == {0.0}


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.lists(st.sampled_from(PHENOTYPES), unique=True)] * 2), min_size=1, max_size=8))
def test_scikit_learn_finds_the_same(pairs):
    binarizer = MultiLabelBinarizer(classes=PHENOTYPES)
    true, predicted = (binarizer.fit_transform(names) for names in zip(*pairs, strict=True))
    expected = {}
    for average in ("micro", "macro"):
        values = precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        expected |= {f"{average}_{m}": v for m, v in zip(("precision", "recall", "f1"), values, strict=False)}
    assert scores(pairs, PHENOTYPES) == pytest.approx(expected, abs=1e-12)
