"""The table of baselines beyond the paper."""

import pyarrow as pa
import pytest
from pages import templates

from clinragen.evaluate.beyond import beyond_page, summarise
from clinragen.schemas.evaluate import BEYOND, SCORES


def scores(model: str, seed: int | None, value: float) -> pa.Table:
    same = {"dataset": "MIMIC-III", "model": model, "seed": seed, "samples": 9, "unreadable": 0, "cut": 0, "unknown": 0}
    cells = [(average, metric) for average in ("micro", "macro") for metric in ("precision", "recall", "f1")]
    rows = [same | {"average": average, "metric": metric, "value": value} for average, metric in cells]
    return pa.Table.from_pylist(rows, SCORES.schema)


RUNS = [scores("LSTM <labs>", 1, 0.5), scores("LSTM <labs>", 2, 0.7), scores("Majority", None, 0.25)]


def test_means_and_standard_deviations_are_over_seeds_and_an_untrained_row_has_none():
    rows = BEYOND.check(summarise(RUNS), "test").to_pylist()
    assert len(rows) == 12
    found = {r["model"]: (r["mean"], r["std"], r["n_seeds"], r["samples"]) for r in rows}
    assert found == {"LSTM <labs>": (0.6, pytest.approx(0.1414), 2, 9), "Majority": (0.25, None, 0, 9)}


def test_the_page_says_that_the_paper_has_none_of_them_and_links_to_the_lineage():
    page = beyond_page(summarise(RUNS), ["synthetic data"], templates("beyond"))
    assert "None of these rows is in the paper" in page and "synthetic data" in page
    assert "LSTM &lt;labs&gt;" in page and "<labs>" not in page
    assert "0.6000</a> <small>0.1414" in page and "0.2500</a></td>" in page
    assert "../audit/lineage.html#tables/beyond.csv/MIMIC-III/Majority" in page
