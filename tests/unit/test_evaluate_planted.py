"""Scores on planted evidence: which models read the labs, and are their statements about them true?"""

import json
import re
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import templates

from clinragen.config.evaluate import Bootstrap
from clinragen.errors import UserError
from clinragen.evaluate.planted import CONDITIONS, GROUPS, group_scores, statement_scores, statements
from clinragen.evaluate.planted_page import planted_page
from clinragen.evaluate.shuffle import exchange
from clinragen.evaluate.training_page import read_history, training_page
from clinragen.model.inputs import Row
from clinragen.schemas.evaluate import PLANTED, STATEMENTS
from clinragen.schemas.predictions import PREDICTIONS

CHANNELS = {"Shock": "labs", "Fever": "both", "Gout": "notes", "Rash": "neither"}
ALL = list(CHANNELS)
HIGH, LOW = ("Glucose", "higher"), ("Glucose", "lower")


def predictions(*rows: tuple[list[str], list[str]], outputs: tuple[str, ...] = ()) -> pa.Table:
    """Predicted and true names per stay."""
    texts = outputs or ("",) * len(rows)
    made = [
        {"stay_id": i, "output": texts[i], "predicted": predicted, "unknown": [], "true": true}
        for i, (predicted, true) in enumerate(rows)
    ]
    return pa.Table.from_pylist(made, PREDICTIONS.schema)


BOOTSTRAP = Bootstrap(replicates=1000, seed=1)


def estimates(as_is: pa.Table, patients: list[int], **others: pa.Table) -> dict:
    """Return the scores of a run by group and condition."""
    tables = {"as is": as_is, "series shuffled": others.get("series", as_is), "notes shuffled": as_is}
    rows = group_scores(tables, CHANNELS, np.array(patients), BOOTSTRAP)
    return {(row["group"], row["condition"]): row for row in rows}


def scored(as_is: pa.Table, **others: pa.Table) -> dict:
    return {key: row["f1"] for key, row in estimates(as_is, list(range(as_is.num_rows)), **others).items()}


def test_a_group_counts_only_its_own_phenotypes():
    as_is = predictions((["Shock", "Gout"], ["Shock"]), ([], ["Gout", "Fever"]))
    found = scored(as_is, series=predictions(([], ["Shock"]), (["Gout"], ["Gout", "Fever"])))
    assert set(found) == {(group, condition) for group in GROUPS for condition in CONDITIONS}
    assert found["labs", "as is"] == 1 and found["labs", "series shuffled"] == 0
    assert found["notes", "as is"] == 0 and found["notes", "series shuffled"] == 1
    assert found["both", "as is"] == 0 and found["neither", "as is"] == 0
    assert found["all", "as is"] == pytest.approx(2 * 1 / (2 + 3))


def test_intervals_are_over_patients_not_stays():
    run = predictions((["Shock"], ["Shock"]), (["Gout"], ["Shock"]))
    apart, together = (estimates(run, patients)["labs", "as is"] for patients in ([1, 2], [1, 1]))
    assert apart["f1"] == together["f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert (apart["low"], apart["high"]) == (0, 1)
    assert together["low"] == together["high"] == together["f1"]


def test_chance_has_an_interval_around_it():
    right, wrong = (["Shock"], ["Shock"]), ([], [])
    row = estimates(predictions(*[right, wrong] * 30), list(range(60)))["labs", "labels shuffled"]
    assert row["f1"] == 0.5 and 0.3 < row["low"] < 0.45 and 0.55 < row["high"] < 0.7


names = st.lists(st.sampled_from(ALL), unique=True, max_size=3)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=5))
def test_chance_is_the_mean_over_all_orders_of_the_labels(rows):
    found = scored(predictions(*rows))["all", "labels shuffled"]
    given_, true = zip(*rows, strict=True)
    hits = [sum(len({*p} & {*t}) for p, t in zip(given_, order, strict=True)) for order in permutations(true)]
    named = sum(map(len, given_)) + sum(map(len, true))
    assert found == pytest.approx(2 * np.mean(hits) / named if named else 0, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Glucose is higher than normal 3 times", {HIGH}),
        ("glucose  is Lower than normal", {LOW}),
        ("Glucose is higher than normal 3 times and lower than normal 1 times", {HIGH, LOW}),
        ("Glucose is higher than normal 3 times and pH is lower than normal 2 times", {HIGH, ("pH", "lower")}),
        ("Glucose is normal all the time.", set()),
        ("higher than normal Glucose", set()),
        ("Alph is lower than normal", set()),
    ],
)
def test_statements_are_a_variable_with_a_direction(text, expected):
    assert statements(text, ["Glucose", "pH"]) == expected


def test_a_statement_is_true_if_the_captions_of_the_stay_make_it():
    output = "Diagnoses: Shock Lab rationale: pH is lower than normal 3 times and Glucose is higher than normal"
    as_is = predictions(([], []), ([], []), outputs=(output, "Diagnoses: Gout"))
    captions = {0: "pH is lower than normal 9 times. Glucose is lower than normal 1 times.", 1: ""}
    (row,) = statement_scores({"as is": as_is}, captions, ["Glucose", "pH"], np.array([1, 2]), BOOTSTRAP)
    assert (row["statements"], row["true"], row["low"], row["high"]) == (2, 1, 0.5, 0.5)


def samples(number: int) -> list[Row]:
    return [
        {"stay_id": i, "input_ids": np.full(i + 2, i), "series": np.full((i + 1, 2), i), "phenotypes": [ALL[i % 4]]}
        for i in range(number)
    ]


@given(st.integers(2, 20), st.integers(0, 5), st.sampled_from(["note", "labs"]))
def test_every_sample_gets_the_part_of_another_one_and_keeps_the_rest(number, seed, exchanged):
    before, after = samples(number), exchange(samples(number), exchanged, seed)
    same = exchange(samples(number), exchanged, seed)
    part, other = ("input_ids", "series") if exchanged == "note" else ("series", "input_ids")
    for old, new, again in zip(before, after, same, strict=True):
        assert np.array_equal(old[other], new[other])
        assert not np.array_equal(old[part], new[part])
        assert np.array_equal(new[part], again[part])
        assert (old["stay_id"], old["phenotypes"]) == (new["stay_id"], new["phenotypes"])
    assert sorted(str(s[part]) for s in before) == sorted(str(s[part]) for s in after)


def test_a_part_that_is_not_read_is_not_exchanged():
    notes = [{"stay_id": i, "input_ids": np.full(2, i)} for i in range(3)]
    assert exchange(notes, "labs", 1) == notes


@pytest.mark.parametrize("read", [("caption_ids",), ("caption_ids", "series")])
def test_labs_are_exchanged_as_they_are_read(read):
    """Captions describe the series, so a model that reads captions gets those of the same other stay."""
    before = [{"stay_id": i, "input_ids": np.full(2, i)} | {name: np.full(3, i) for name in read} for i in range(6)]
    after = exchange(before, "labs", 1)
    for old, new in zip(before, after, strict=True):
        others = {int(new[name][0]) for name in read}
        assert len(others) == 1 and old["stay_id"] not in others
        assert np.array_equal(old["input_ids"], new["input_ids"])
    assert [row.keys() for row in after] == [row.keys() for row in before]


def table(model: str, labs: float, seeds: int = 2) -> pa.Table:
    rows = [
        {"dataset": "MIMIC-III", "model": model, "group": group, "condition": condition, "seed": seed, "samples": 9}
        | {"f1": labs + seed / 100 if (group, condition) == ("labs", "as is") else 0.5, "low": 0.25, "high": 0.75}
        for group in GROUPS
        for condition in CONDITIONS
        for seed in range(seeds)
    ]
    return pa.Table.from_pylist(rows, PLANTED.schema)


def stated(model: str, made: int, true: int) -> pa.Table:
    rows = [
        {"dataset": "MIMIC-III", "model": model, "condition": c, "seed": s, "statements": made, "true": true}
        | {"low": 0.7 - s / 100 if made else None, "high": 0.9 if made else None}
        for c in CONDITIONS[:3]
        for s in range(2)
    ]
    return pa.Table.from_pylist(rows, STATEMENTS.schema)


def test_the_page_answers_its_question_first_and_shows_every_model():
    other = table("ClinRaGen, as printed", 0.2)
    scores = pa.concat_tables([table("ClinRaGen", 0.904), table("a <b>", 0.5), other])
    said = pa.concat_tables([stated("ClinRaGen", 10, 8), stated("a <b>", 0, 0)])
    text = planted_page(scores, said, ["tiny language model"], templates("planted"))
    assert "9 test stays; 2 seeds." in text and "<b>0.91</b>" in text
    assert "ClinRaGen, as printed" in text and "a &lt;b&gt;" in text and "<b>, which" not in text
    assert "tiny language model" in text and 'src="data:image/png' in text
    link = '<a class="file" href="../audit/lineage.html#tables/planted_statements.csv">0.800</a>'
    assert f'<td data-label="own labs">{link} <small>0.690 to 0.900</small></td>' in text
    assert text.index("<code>labels shuffled</code>") < text.index("<table"), "the key is before the tables"
    assert text == planted_page(scores, said, ["tiny language model"], templates("planted"))


def test_the_history_of_a_training_is_read_and_shown(tmp_path):
    directory = tmp_path / "mimic3/train/flan-t5-small/rationales-knowledge/seed1/phase3"
    directory.mkdir(parents=True)
    with pytest.raises(UserError, match=r"phase3: no readable history.*train it again"):
        read_history(directory)
    rows = [
        {"epoch": e, "step": 2 * e, "loss": 1 / e, "loss_diagnoses": 2 / e, "grad_norm": 1.0, "learning_rate": 0.1}
        for e in (1.0, 2.0)
    ] + [{"epoch": e, "step": 2 * e, "eval_loss": 1.0, "eval_f1": 0.3 * e} for e in (1.0, 2.0)]
    rows[-1]["kept"] = 1
    cut = {"samples": 8777, "marked": 3333, "notes cut": 2222, "targets cut": 1111}
    facts = {"samples": {"train": cut, "validation": cut}, "history": rows}
    (directory / "history.json").write_text(json.dumps(facts), encoding="utf-8")
    course = read_history(directory)
    found = {(r["measure"], r["epoch"]): r["value"] for r in course.to_pylist()}
    assert found["loss_diagnoses", 2.0] == 1.0 and found["eval_f1", 1.0] == 0.3
    text = training_page([course], ["x"], [], templates("training"))
    assert "<code>flan-t5-small/rationales-knowledge</code>" in text and "0.600 after epoch 2" in text
    # These counts are on the cards, where those of few patients are hidden.
    assert not re.search(r"8,?777|3,?333|2,?222|1,?111", text)
