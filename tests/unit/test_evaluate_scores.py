"""Precision, recall and F1 by hand and by definition."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_student import PHENOTYPES

from clinragen.errors import UserError
from clinragen.evaluate.scores import score
from clinragen.schemas.evaluate import PREDICTIONS, SCORES

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
def test_the_definition(pairs):
    found = scores(pairs, PHENOTYPES)
    counts = {
        name: (
            sum(name in t and name in p for t, p in pairs),
            sum(name in p for _, p in pairs),
            sum(name in t for t, _ in pairs),
        )
        for name in PHENOTYPES
    }

    def f1(hits: int, predicted: int, true: int) -> float:
        return 2 * hits / (predicted + true) if predicted + true else 0.0

    sums = [sum(column) for column in zip(*counts.values(), strict=True)]
    assert found["micro_f1"] == pytest.approx(f1(*sums))
    assert found["macro_f1"] == pytest.approx(sum(f1(*c) for c in counts.values()) / len(PHENOTYPES))
    assert found["macro_precision"] == pytest.approx(sum(h / p for h, p, _ in counts.values() if p) / 25)
    assert found["macro_recall"] == pytest.approx(sum(h / t for h, _, t in counts.values() if t) / 25)
