"""Means, controls, length and agreement of judges with known behaviour, and their page."""

import numpy as np
import pyarrow as pa
import pytest
from judge_tree import LEVEL, STAYS, ratings, row, write
from pages import templates

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.judge.agree import judge_agreement
from clinragen.evaluate.judge.effects import judge_effects
from clinragen.evaluate.judge.page import FALLS, HIDDEN, OPEN, UNMOVED, judge_page, verdict
from clinragen.evaluate.judge.rated import BOTH, behind, read_rated
from clinragen.evaluate.judge.scores import rating_scores
from clinragen.schemas.judge import (
    ANOTHER_PATIENT,
    BY_RULE,
    CONTROLS,
    JUDGE_EFFECTS,
    LENGTH,
    WRONG_DIAGNOSES,
)
from clinragen.schemas.ratings import AGREEMENT, AS_WRITTEN, CRITERIA, RATING_SCORES

DRAWS = Bootstrap(replicates=2000, seed=1)
TEMPLATES = templates("judge")


@pytest.fixture
def tree(tmp_path):
    """A function that writes ratings by dataset and judge, and reads them; each patient has two stays."""

    def written(of: dict[tuple[str, str], list[dict]]):
        paths, samples = write(tmp_path, of)
        return read_rated(paths, samples), paths

    return written


def only(table: pa.Table, **place: object) -> list[dict]:
    return [r for r in table.to_pylist() if all(r[name] == value for name, value in place.items())]


def test_means_are_those_of_numpy_with_intervals_around_them(tree):
    rated, _ = tree({("mimic3", "reads"): ratings("reads"), ("mimic4", "reads"): ratings("reads", "mimic4")})
    table = RATING_SCORES.check(rating_scores(rated, DRAWS), "test")
    assert [r["system"] for r in only(table, dataset=BOTH, condition=AS_WRITTEN, criterion="soundness")] == [
        *("GT", "ClinRaGen", "Mistral")  # the teacher first
    ]
    for dataset, names in (("MIMIC-III", ["mimic3"]), (BOTH, ["mimic3", "mimic4"])):
        values = [
            r["correctness"] for n in names for r in ratings("reads", n)
            if r["system"] == "GT" and r["condition"] == AS_WRITTEN
        ]  # fmt: skip
        (score,) = only(table, dataset=dataset, system="GT", condition=AS_WRITTEN, criterion="correctness")
        assert score["mean"] == pytest.approx(np.mean(values)) and score["std"] == pytest.approx(np.std(values, ddof=1))
        assert score["low"] < score["mean"] < score["high"] and score["high"] - score["low"] < 0.5
        assert (score["ratings"], score["cases"], score["empty"]) == (len(values), len(values), 0)


def test_an_unreadable_response_is_not_a_rating_and_a_missing_text_counts_1(tree):
    rows = [row(n, "GT", AS_WRITTEN, 5) for n in range(STAYS)]
    for n in range(12):
        rows[n] |= {"status": "flawed", "reason": None} | dict.fromkeys(CRITERIA)
        rows[20 + n] |= {"status": BY_RULE, "request": None, "words": 0} | dict.fromkeys(CRITERIA, 1)
    rated, _ = tree({("mimic3", "j"): rows})
    (score,) = only(rating_scores(rated, DRAWS), criterion="soundness")
    assert score["mean"] == pytest.approx((12 + 5 * 16) / 28)
    assert (score["ratings"], score["cases"], score["empty"]) == (28, 40, 12)
    # Neither shows whether the judge reads.
    assert {r["n"] for r in only(judge_effects(rated, DRAWS), effect=LENGTH)} == {None}


def test_values_about_few_patients_are_hidden(tree):
    few = [row(n, "GT", AS_WRITTEN, 5) for n in range(20)]  # of ten patients
    rated, _ = tree({("mimic3", "j"): few, ("mimic4", "j"): [row(n, "GT", AS_WRITTEN, 4) for n in range(STAYS)]})
    table = rating_scores(rated, DRAWS)
    assert {r["mean"] for r in only(table, dataset="MIMIC-III")} == {None}
    assert {r["cases"] for r in only(table, dataset="MIMIC-III")} == {None}
    assert {r["mean"] for r in only(table, dataset=BOTH)} == {None}  # which would reveal it
    assert {r["mean"] for r in only(table, dataset="MIMIC-IV")} == {4.0}


def test_three_unreadable_responses_are_not_revealed(tree):
    rows = [row(n, "GT", AS_WRITTEN, 5) for n in range(STAYS)]
    for n in range(3):
        rows[n] |= {"status": "flawed", "reason": None} | dict.fromkeys(CRITERIA)
    (score,) = only(rating_scores(tree({("mimic3", "j"): rows})[0], DRAWS), criterion="soundness")
    assert (score["ratings"], score["cases"], score["mean"]) == (None, 40, 5.0)


def test_controls_fall_for_a_judge_that_reads_and_for_no_other(tree):
    rated, _ = tree({("mimic3", name): ratings(name) for name in ("reads", "blind", "long")})
    table = JUDGE_EFFECTS.check(judge_effects(rated, DRAWS), "test")
    for control in CONTROLS:
        (reads,) = only(table, rater="reads", effect=control, criterion="all")
        assert reads["low"] > 0.5 and reads["n"] == STAYS * len(LEVEL) and verdict(reads) == FALLS
        (blind,) = only(table, rater="blind", effect=control, criterion="all")
        assert blind["low"] < 0 < blind["high"] and verdict(blind) == OPEN
        (long,) = only(table, rater="long", effect=control, criterion="all")
        assert long["value"] == long["high"] == 0 and verdict(long) == UNMOVED


def test_a_judge_that_counts_words_has_a_slope_and_one_that_reads_has_none(tree):
    rated, _ = tree({("mimic3", name): ratings(name) for name in ("reads", "long")})
    table = judge_effects(rated, DRAWS)
    (long,) = only(table, rater="long", effect=LENGTH, criterion="correctness")
    assert long["low"] > 0.8 and long["value"] == pytest.approx(1.0, abs=0.15)  # a point for each doubling
    (reads,) = only(table, rater="reads", effect=LENGTH, criterion="correctness")
    assert reads["low"] < 0 < reads["high"]
    # By hand, with numpy: the same slope within systems.
    own = [r for r in ratings("long") if r["condition"] == AS_WRITTEN]
    x, y = np.log2([r["words"] for r in own]), np.array([r["correctness"] for r in own], dtype=float)
    for system in LEVEL:
        of = np.array([r["system"] == system for r in own])
        x[of] -= x[of].mean()
        y[of] -= y[of].mean()
    assert long["value"] == pytest.approx((x @ y) / (x @ x))


def test_texts_of_one_length_have_no_slope(tree):
    rated, _ = tree({("mimic3", "j"): [row(n, "GT", AS_WRITTEN, 1 + n % 5) for n in range(STAYS)]})
    assert {r["value"] for r in only(judge_effects(rated, DRAWS), effect=LENGTH)} == {None}


def test_judges_are_compared_on_what_both_have_rated(tree):
    first, second, third = ratings("reads"), ratings("reads"), ratings("long")
    for r in second[:9]:  # of stay 0
        r |= {"status": "refused", "reason": None} | dict.fromkeys(CRITERIA)
    rated, _ = tree({("mimic3", name): rows for name, rows in (("a", first), ("b", second), ("c", third))})
    table = AGREEMENT.check(judge_agreement(rated, DRAWS), "test")
    assert {r["raters"] for r in table.to_pylist()} == {"a, b", "a, c"}
    same = only(table, raters="a, b", criterion="all")
    assert {(r["statistic"], r["n"]) for r in same} == {
        (name, (STAYS - 1) * len(LEVEL)) for name in ("spearman", "kappa", "alpha", "tau")
    }
    assert all(r["value"] == pytest.approx(1.0) for r in same)
    (other,) = only(table, raters="a, c", criterion="correctness", statistic="spearman")
    assert other["low"] < other["value"] < other["high"] < 0.5


def test_a_single_judge_has_no_agreement(tree):
    rated, _ = tree({("mimic3", "a"): ratings("reads")})
    assert judge_agreement(rated, DRAWS).num_rows == 0


def test_rows_are_linked_to_the_ratings_behind_them(tree):
    _, paths = tree({("mimic3", "a"): ratings("reads"), ("mimic4", "a"): ratings("reads")})
    assert behind(paths) == {("MIMIC-III", "a"): paths[:1], ("MIMIC-IV", "a"): paths[1:], (BOTH, "a"): paths}


@pytest.fixture
def page(tree):
    def render(*judges: str, stand_ins: tuple[str, ...] = ()) -> str:
        rated, _ = tree({("mimic3", name): ratings(name) for name in judges})
        tables = [made(rated, DRAWS) for made in (rating_scores, judge_agreement, judge_effects)]
        return " ".join(judge_page(*tables, list(stand_ins), TEMPLATES).split())

    return render


def test_the_page_says_whether_controls_fall(page):
    text = page("reads", "blind")
    assert f"✓ MIMIC-III, {ANOTHER_PATIENT}: correctness, soundness, persuasiveness fall".replace("'", "&#39;") in text
    assert f"✗ MIMIC-III, {WRONG_DIAGNOSES}: correctness is undecided; persuasiveness is undecided." in text
    assert "A judge that overlooks this says little about the texts." in text
    assert "stand-ins" not in text and "reads, blind" in text
    # In the order of the configuration, not alphabetically.
    assert text.index("Judge: reads") < text.index("Judge: blind")


def test_the_page_names_stand_ins_and_loads_nothing(page):
    text = page("reads", stand_ins=("template LLM",))
    assert "<b>Made with stand-ins:</b> template LLM" in text and "not comparable with the paper's" in text
    assert "Only one judge is configured" in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("rows", [[], [row(n, "GT", AS_WRITTEN, 4) for n in range(8)]])
def test_a_page_without_ratings_or_about_few_patients_shows_no_values(rows, tree):
    rated, _ = tree({("mimic3", name): rows for name in ("a", "b")})
    tables = [made(rated, DRAWS) for made in (rating_scores, judge_agreement, judge_effects)]
    for table, schema in zip(tables, (RATING_SCORES, AGREEMENT, JUDGE_EFFECTS), strict=True):
        schema.check(table, "test")
        assert all(r.get("value", r.get("mean")) is None for r in table.to_pylist())
    text = judge_page(*tables, [], TEMPLATES)
    assert "nan" not in text and "4.00" not in text and "✓" not in text


def test_a_verdict_needs_an_interval():
    assert verdict({"low": None, "high": None}) == HIDDEN
