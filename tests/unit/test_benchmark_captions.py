"""Anomalies in words."""

import math

import pyarrow as pa
import pytest
from raw_folders import RESOURCES

from clinragen.benchmark.captions import caption, make_captions, make_fences, read_fences
from clinragen.registry.variables import read_variables
from clinragen.schemas.benchmark import CAPTIONS, FENCES
from clinragen.schemas.extract import EVENTS


def events(*rows: tuple[int, str, float]) -> pa.Table:
    full = [{"stay_id": s, "hours": float(n), "variable": v, "value": float(x)} for n, (s, v, x) in enumerate(rows)]
    return pa.Table.from_pylist(full, schema=EVENTS.schema)


TEMPLATES = [
    (0, 0, "pH is normal all the time."),
    (3, 0, "pH is higher than normal 3 times."),
    (0, 1, "pH is lower than normal 1 times."),
    (2, 5, "pH is higher than normal 2 times and lower than normal 5 times."),
]


@pytest.mark.parametrize(("high", "low", "sentence"), TEMPLATES)
def test_the_four_sentences(high, low, sentence):
    assert caption("pH", high, low) == sentence


def test_fences_lie_outside_the_quartiles_of_the_training_part():
    training = [(1, "pH", x) for x in (1, 2, 3, 4, 5)]
    for other in ([], [(9, "pH", 1000), (9, "pH", -1000)]):
        table = make_fences(events(*training, *other), {1}, ["pH"], 1.5)
        (row,) = FENCES.check(table, "test").to_pylist()
        assert (row["low"], row["high"]) == (2 - 1.5 * 2, 4 + 1.5 * 2)
    (wider,) = make_fences(events(*training), {1}, ["pH"], 3).to_pylist()
    assert (wider["low"], wider["high"]) == (-4, 10)


def test_a_variable_that_the_training_part_lacks_is_never_abnormal():
    table = make_fences(events((9, "pH", 7)), {1}, ["pH"], 1.5)
    assert table.to_pylist() == [{"variable": "pH", "low": -math.inf, "high": math.inf}]
    (row,) = make_captions(events((9, "pH", 7)), [9], table).to_pylist()
    assert row["text"] == "pH is normal all the time."


def test_a_variable_whose_quartiles_agree_is_never_abnormal(caplog):
    """At its own fence, the usual value would be abnormal in nearly every stay."""
    values = [0.5] * 8 + [0.4, 0.6]
    table = make_fences(events(*((1, "FiO2", value) for value in values)), {1}, ["FiO2"], 1.5)
    assert table.to_pylist() == [{"variable": "FiO2", "low": -math.inf, "high": math.inf}]
    assert "FiO2: half of the values or more are 0.5" in caplog.text


def test_a_caption_counts_raw_values_beyond_the_fences():
    fences = pa.table({"variable": ["pH", "Heart Rate"], "low": [7.0, 50.0], "high": [7.6, 120.0]})
    rows = [(1, "pH", x) for x in (7.0, 7.6, 7.61, 6.5, 7.3, 8.0)] + [(1, "Heart Rate", 130), (1, "Glucose", 900)]
    table = CAPTIONS.check(make_captions(events(*rows, (9, "pH", 1)), [2, 1], fences), "test")
    assert table.to_pylist() == [
        {"stay_id": 2, "text": "pH is normal all the time. Heart Rate is normal all the time."},
        {
            "stay_id": 1,
            # At the lower fence counts as lower, at the upper one as normal.
            "text": "pH is higher than normal 2 times and lower than normal 2 times. "
            "Heart Rate is higher than normal 1 times.",
        },
    ]


def test_the_fences_of_the_released_code_are_those_of_its_11_variables():
    path = RESOURCES / "fences_of_released_code.csv"
    names = [v.name for v in read_variables(RESOURCES / "variables.csv", 17) if not v.categorical]
    found = {r["variable"]: (r["low"], r["high"]) for r in FENCES.check(read_fences(path, names), "test").to_pylist()}
    fixed = {v.name for v in read_variables(RESOURCES / "variables.csv", 11)}
    assert {name for name, pair in found.items() if pair != (-math.inf, math.inf)} == fixed
    assert found["Heart Rate"] == (40.0, 128.0) and found["pH"] == (7.145, 7.585)
    table = make_captions(events((1, "pH", 7.145), (1, "pH", 7.6)), [1], read_fences(path, ["pH"]))
    assert table["text"].to_pylist() == ["pH is higher than normal 1 times and lower than normal 1 times."]
