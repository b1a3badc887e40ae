"""Variants compared with the same models without them."""

import re

import pyarrow as pa
import pytest
from pages import templates

from clinragen.evaluate.paper.comparison import in_row
from clinragen.evaluate.sensitivity import compare_variants, sensitivity_page
from clinragen.schemas.evaluate import SCORES, SENSITIVITY


def scores(seed: int, micro: float, macro: float, model: str = "ClinRaGen") -> pa.Table:
    same = {"dataset": "MIMIC-III", "model": model, "seed": seed, "samples": 9, "unreadable": 0, "cut": 0, "unknown": 0}
    rows = [
        same | {"average": average, "metric": metric, "value": value}
        for average, value in (("micro", micro), ("macro", macro))
        for metric in ("precision", "f1")
    ]
    return pa.Table.from_pylist(rows, SCORES.schema)


VARIED = [scores(1, 0.5, 0.4, "a < b"), scores(2, 0.7, 0.5, "a < b"), scores(1, 0.65, 0.6, "c")]
PLAIN = [scores(1, 0.6, 0.6), scores(2, 0.6, 0.6), scores(1, 0.6, 0.6)]


def test_differences_are_those_of_runs_with_the_same_seed():
    rows = SENSITIVITY.check(compare_variants(VARIED, PLAIN), "test").to_pylist()
    assert [(r["model"], r["average"], r["f1"], r["f1_without"], r["difference"], r["n_seeds"]) for r in rows] == [
        ("a < b", "micro", 0.6, 0.6, 0.0, 2),
        ("a < b", "macro", 0.45, 0.6, -0.15, 2),
        ("c", "micro", 0.65, 0.6, 0.05, 1),
        ("c", "macro", 0.6, 0.6, 0.0, 1),
    ]
    assert [r["difference_std"] for r in rows] == [pytest.approx(0.1414), pytest.approx(0.0707), None, None]
    assert {r["without"] for r in rows} == {"ClinRaGen"}


def test_the_page_shows_names_as_text_and_every_difference_with_its_sign():
    text = sensitivity_page(compare_variants(VARIED, PLAIN), ["tiny model"], templates("sensitivity"))
    assert "a &lt; b" in text and "a < b" not in text and "tiny model" in text and "say nothing about MIMIC" in text
    assert "+0.0500" in text and "-0.1500 (0.0707)" in text
    assert re.search(r"-0\.1500 \(0\.0707\)\s<span>from 0\.6000</span>", text)
    assert "audit/lineage.html#tables/sensitivity.csv/MIMIC-III/c" in text


def test_a_row_of_another_name_keeps_its_scores():
    renamed = SCORES.check(in_row(scores(1, 0.5, 0.4), "OPT-0.1B, ClinRaGen, ChatGPT"), "test")
    assert set(renamed["model"].to_pylist()) == {"OPT-0.1B, ClinRaGen, ChatGPT"}
    assert renamed.drop_columns("model").equals(scores(1, 0.5, 0.4).drop_columns("model"))
