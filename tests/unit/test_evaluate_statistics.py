"""Intervals, comparisons and phenotype scores, from runs of made-up rows."""

import csv
from collections.abc import Sequence

import numpy as np
import pytest
from raw_folders import RESOURCES
from scipy import stats
from sklearn.metrics import f1_score

from clinragen.config.evaluate import Bootstrap
from clinragen.config.rows import RECIPES, is_of_parts
from clinragen.errors import UserError
from clinragen.evaluate.comparisons import Pair, pairs_of, read_pairs
from clinragen.evaluate.paper.comparison import PaperCell
from clinragen.evaluate.runs import Scored, Truth, marked
from clinragen.evaluate.statistics import Statistics, check_seeds, tables_of
from clinragen.evaluate.stats.significance import detectable, holm
from clinragen.schemas.statistics import COMPARISONS, INTERVALS, PHENOTYPE_SCORES

NAMES = ["common", "other", "third", "fourth", "rare"]
BOOTSTRAP = Bootstrap(replicates=1000, seed=1)
PAPER = [PaperCell("MIMIC-III", row, "micro_f1", mean, None) for row, mean in (("ours", 0.64), ("theirs", 0.61))]


def truth(stays: int = 400) -> Truth:
    """Stays of half as many patients, ten of whom have the rare phenotype."""
    rng = np.random.default_rng(4)
    true = [{name for name in NAMES[:-1] if rng.random() < 0.4} | ({"rare"} if n < 20 else set()) for n in range(stays)]
    return Truth(list(range(stays)), [n // 2 for n in range(stays)], list(map(frozenset, true)))


SPLIT = truth()


def scored(row: str, seed: int | None, right: float) -> Scored:
    """A run that gets this share of the labels right."""
    true = marked(SPLIT.true, NAMES)
    rng = np.random.default_rng([len(row), seed or 0])
    return Scored(row, seed, np.where(rng.random(true.shape) < right, true, ~true))


RUNS = [
    *(scored("ours", seed, 0.9) for seed in (1, 2, 3)),
    *(scored("theirs", seed, 0.8) for seed in (1, 2, 3)),
    scored("asked", None, 0.7),
]


def statistics(runs: Sequence[Scored] = RUNS, pairs: Sequence[Pair] = (), reference: str = "ours") -> Statistics:
    found = tables_of({"MIMIC-III": (SPLIT, list(runs))}, NAMES, pairs, reference, PAPER, BOOTSTRAP)
    for schema, table in (
        (INTERVALS, found.intervals), (COMPARISONS, found.comparisons), (PHENOTYPE_SCORES, found.phenotypes)
    ):  # fmt: skip
        schema.check(table, "test")
    return found


@pytest.fixture(scope="module")
def found() -> Statistics:
    return statistics()


def by(table, *keys: str) -> dict:
    return {tuple(row[key] for key in keys): row for row in table.to_pylist()}


def test_values_are_the_means_of_what_scikit_learn_scores_run_by_run(found):
    true, cells = marked(SPLIT.true, NAMES), by(found.intervals, "model", "metric")
    each = by(found.phenotypes, "model", "phenotype")
    for row in ("ours", "theirs", "asked"):
        runs = [run.predicted for run in RUNS if run.row == row]
        for average in ("micro", "macro"):
            values = [f1_score(true, predicted, average=average, zero_division=0) for predicted in runs]
            cell = cells[row, f"{average}_f1"]
            assert cell["value"] == pytest.approx(np.mean(values), abs=1e-6)
            assert cell["std"] == (pytest.approx(np.std(values, ddof=1), abs=1e-6) if len(runs) > 1 else None)
            assert (cell["n_seeds"], cell["samples"], cell["patients"]) == (len(runs), 400, 200)
        values = np.mean([f1_score(true, predicted, average=None, zero_division=0) for predicted in runs], axis=0)
        shown = [(each[row, name], value) for name, value in zip(NAMES, values, strict=True)]
        shown = [(cell, value) for cell, value in shown if cell["f1"] is not None]
        assert len(shown) == 2
        for cell, value in shown:
            assert cell["f1"] == pytest.approx(value, abs=1e-6) and cell["low"] < value < cell["high"]
    assert len(cells) == 3 * 6


def test_an_interval_is_about_two_sampling_errors_to_each_side(found):
    for cell in found.intervals.to_pylist():
        assert cell["low"] < cell["value"] < cell["high"]
        assert cell["high"] - cell["low"] == pytest.approx(2 * 1.96 * cell["sampling_error"], rel=0.15)


def test_stays_of_a_patient_are_drawn_together():
    """Every second stay repeats the one before, so 400 stays of 200 patients hold no more than 200 stays."""
    once = np.repeat(np.arange(0, 400, 2), 2)
    runs = [Scored("ours", 1, RUNS[0].predicted[once])]
    names = [SPLIT.true[n] for n in once]
    errors = []
    for subjects in (SPLIT.subjects, SPLIT.stays):
        split = {"MIMIC-III": (Truth(SPLIT.stays, subjects, names), runs)}
        found = tables_of(split, NAMES, [], "ours", [], BOOTSTRAP)
        errors.append(by(found.intervals, "metric")[("micro_f1",)]["sampling_error"])
    assert errors[0] == pytest.approx(2**0.5 * errors[1], rel=0.1)


def test_the_reference_is_compared_with_every_row_on_patients_and_on_seeds(found):
    cells = by(found.comparisons, "metric", "model", "other")
    assert list(cells) == [(m, "ours", other) for m in ("micro_f1", "macro_f1") for other in ("theirs", "asked")]
    scores, row = by(found.intervals, "model", "metric"), cells["micro_f1", "ours", "theirs"]
    gap = scores["ours", "micro_f1"]["value"] - scores["theirs", "micro_f1"]["value"]
    assert row["difference"] == pytest.approx(gap, abs=2e-6) and row["low"] < row["difference"] < row["high"]
    assert row["paper_difference"] == pytest.approx(0.03)
    assert row["p_patients"] == pytest.approx(2 / 1001, rel=1e-5), "not one replicate is on the other side"
    true = marked(SPLIT.true, NAMES)
    ours, theirs = (
        [f1_score(true, run.predicted, average="micro") for run in RUNS if run.row == name]
        for name in ("ours", "theirs")
    )
    assert row["p_welch"] == pytest.approx(stats.ttest_ind(ours, theirs, equal_var=False).pvalue, rel=1e-5)
    assert row["p_paired"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, rel=1e-5)
    # The interval of the difference is some four standard errors wide, the difference that can be shown 2.8.
    assert row["detectable"] == pytest.approx(detectable((row["high"] - row["low"]) / 3.92), rel=0.15)
    asked = cells["macro_f1", "ours", "asked"]
    assert asked["p_welch"] is asked["p_paired"] is asked["p_welch_holm"] is asked["paper_difference"] is None


def test_the_family_of_holms_correction_has_all_comparisons(found):
    rows = statistics(pairs=[Pair("theirs", "asked")]).comparisons.to_pylist()
    assert len(rows) == 6
    for test in ("p_patients", "p_welch", "p_paired"):
        adjusted = holm([row[test] for row in rows])
        assert [row[f"{test}_holm"] for row in rows] == [p and pytest.approx(p, rel=1e-5) for p in adjusted]


def test_a_pair_of_the_paper_replaces_the_reference_with_that_row():
    pairs = [Pair("large", "ours"), Pair("theirs", "other"), Pair("large", "nowhere")]
    assert pairs_of(["ours", "theirs", "large", "other"], "ours", pairs) == [
        *(Pair("ours", "theirs"), Pair("ours", "other")),
        *(Pair("large", "ours"), Pair("theirs", "other")),
    ]
    assert pairs_of(["theirs", "other"], "ours", pairs) == [Pair("theirs", "other")]


def test_the_comparisons_of_the_paper_are_between_its_rows_and_unique():
    pairs = read_pairs(RESOURCES / "paper_comparisons.csv")
    printed = set()
    for number in (1, 2, 6):
        with (RESOURCES / f"paper_table{number}.csv").open(encoding="utf-8", newline="") as file:
            printed |= {row["model"] for row in csv.DictReader(file)}
    assert len({pair.rows for pair in pairs}) == len(pairs) == 46
    # Rows of table 6 that are in other tables have their names from there.
    printed -= {f"Flan-T5-{size}, ClinRaGen, ChatGPT" for size in ("0.1B", "0.7B")}
    printed -= {"Flan-T5-0.1B, Clinical-COT, ChatGPT"}
    assert set().union(*(pair.rows for pair in pairs)) == printed >= {"ClinRaGen", "w/o REASONING"}
    # Holm's correction also counts the reference with every other row of tables 1 and 2.
    assert len(pairs_of(sorted(printed), "ClinRaGen", pairs)) == 58
    assert len(pairs_of([row for row in printed if not is_of_parts(row)], "ClinRaGen", pairs)) == 39
    with (RESOURCES / "paper_comparisons.csv").open(encoding="utf-8", newline="") as file:
        assert all(0 < len(row["words"].split()) <= 12 for row in csv.DictReader(file))
    assert {row for row in printed if not row.startswith("LLM") and not is_of_parts(row)} <= set(RECIPES)


def test_without_runs_of_the_reference_only_other_pairs_are_compared():
    found = statistics(pairs=[Pair("theirs", "asked")], reference="ClinRaGen")
    assert {(row["model"], row["other"]) for row in found.comparisons.to_pylist()} == {("theirs", "asked")}
    assert found.phenotypes["difference"].null_count == found.phenotypes.num_rows == 15
    alone = statistics(reference="ClinRaGen")
    assert alone.comparisons.num_rows == 0 and alone.intervals.num_rows == 18


def test_phenotypes_of_few_patients_are_hidden_with_others_that_averages_would_reveal(found):
    shown = {row["phenotype"] for row in found.phenotypes.to_pylist() if row["prevalence"] is not None}
    assert len(shown) == 2 and "rare" not in shown
    for row in found.phenotypes.to_pylist():
        values = [row[name] for name in ("prevalence", "precision", "recall", "f1", "low", "high")]
        assert (None in values) == (values == [None] * 6) == (row["phenotype"] not in shown)
        compared = [row[name] for name in ("difference", "p_patients", "q")]
        hidden = row["phenotype"] not in shown or row["model"] == "ours"
        assert (compared == [None] * 3) == hidden
        assert hidden or row["p_patients"] <= row["q"]


def test_differences_of_a_phenotype_are_of_the_reference_minus_the_row(found):
    cells = by(found.phenotypes, "model", "phenotype")
    for name in NAMES:
        ours, other = cells["ours", name], cells["asked", name]
        if ours["f1"] is not None:
            assert other["difference"] == pytest.approx(ours["f1"] - other["f1"], abs=2e-6) and other["q"] < 0.01


def test_a_phenotype_without_positives_scores_zero_and_does_not_stop_the_others():
    nobody = Truth(SPLIT.stays, SPLIT.subjects, [names - {"rare"} for names in SPLIT.true])
    runs = [Scored(run.row, run.seed, marked(nobody.true, NAMES)) for run in RUNS]
    found = tables_of({"MIMIC-III": (nobody, runs)}, NAMES, [], "ours", [], BOOTSTRAP)
    cells = by(found.intervals, "model", "metric")
    assert cells["ours", "micro_f1"]["value"] == 1 and cells["ours", "macro_f1"]["value"] == 0.8
    row = by(found.phenotypes, "model", "phenotype")["ours", "rare"]
    assert (row["prevalence"], row["f1"], row["low"], row["high"]) == (0, 0, 0, 0)
    assert {r["p_patients"] for r in found.comparisons.to_pylist()} == {1.0}, "all predict the same"


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ({"a": [1, 2], "b": [1]}, r"row 'b' of MIMIC-IV has runs of the seeds \[1\], but other rows have \[1, 2\]"),
        ({"a": [1, 2], "b": [2, 3]}, r"row 'a' of MIMIC-IV has runs of the seeds \[1, 2\], but .* \[1, 2, 3\]"),
        ({"a": [1, 1]}, r"row 'a' of MIMIC-IV has runs of the seeds \[1, 1\]"),
        ({"a": [1, None]}, r"row 'a' of MIMIC-IV has runs"),
        ({"a": [None, None]}, r"row 'a' of MIMIC-IV has runs"),
    ],
)
def test_a_row_without_all_seeds_is_not_compared(seeds, message):
    with pytest.raises(UserError, match=f"{message}.*Run the workflow for all `seeds`"):
        check_seeds("MIMIC-IV", seeds)


def test_only_asked_rows_may_have_another_number_of_runs():
    check_seeds("MIMIC-IV", {"a": [2, 1], "b": [1, 2], "c": [None]})
    with pytest.raises(UserError, match="row 'theirs'"):
        statistics([run for run in RUNS if (run.row, run.seed) != ("theirs", 2)])
