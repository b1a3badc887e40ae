"""Scores of ratings: means, agreement, repeats, failed checks, and a mixed model that recovers planted effects."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pages import templates
from study import SYSTEMS, study

from clinragen.config.evaluate import Bootstrap
from clinragen.errors import UserError
from clinragen.evaluate.study.forms import study_key
from clinragen.evaluate.study.mixed import SPREADS, fit, mixed_models
from clinragen.evaluate.study.page import study_page
from clinragen.evaluate.study.responses import read_responses, write_responses
from clinragen.evaluate.study.scores import (
    PEOPLE,
    TWICE,
    agreement,
    leave_out,
    raters_table,
    rating_scores,
    stop_without_raters,
)
from clinragen.evaluate.study.simulate import simulate_raters
from clinragen.schemas.ratings import AGREEMENT, ALL, CRITERIA, RATING_SCORES
from clinragen.schemas.study import STUDY_MODEL, STUDY_RATERS

BOOTSTRAP = Bootstrap(replicates=2000, seed=1)
PATIENTS = {stay: stay // 2 for stay in range(200001, 200041)}


def rated(directory, planned, change=None, absent=(), **simulated) -> tuple[pa.Table, pa.Table]:
    """Return ratings and key of a study, via the files of the forms; `change(row)` returns another value or None."""
    key = study_key(planned)
    rows = {(r["rater"], r["item"], r["letter"]): r for r in key.to_pylist()}
    files = []
    for rater, values in simulate_raters(key, 5, **simulated).items():
        if rater not in absent:
            for cell in values:
                other = change(rows[rater, *cell[:2]] | {"criterion": cell[2]}) if change else None
                values[cell] = values[cell] if other is None else other
            files.append(directory / f"{rater}.csv")
            write_responses(planned.name, rater, values, files[-1])
    return read_responses(files, key, absent), key


def test_means_and_counts_of_known_ratings(tmp_path):
    planned = study(cases=12, raters=4)
    values = {system: n + 1 for n, system in enumerate(SYSTEMS)}
    ratings, key = rated(tmp_path, planned, lambda row: values.get(row["system"]))
    rows = RATING_SCORES.check(rating_scores(ratings, key, PATIENTS, "MIMIC-III", BOOTSTRAP), "test").to_pylist()
    assert len(rows) == 25
    for row in rows:
        mean = values[row["system"]]
        assert (row["mean"], row["std"], row["low"], row["high"]) == (mean, 0, mean, mean)
        assert (row["rater"], row["condition"]) == ("people", "as written")
        assert (row["ratings"], row["cases"], row["empty"]) == (48, 12, 0), "repeats and checks do not count"


def test_the_interval_is_that_of_resampled_patients(tmp_path):
    """Ratings of a patient's text agree, so the interval is that of 12 patients, not of 12 x 4 ratings."""
    ratings, key = rated(tmp_path, study(cases=12, raters=4), lambda row: 1 + row["stay_id"] // 2 % 5)
    row = rating_scores(ratings, key, PATIENTS, "x", BOOTSTRAP).to_pylist()[0]
    means = pd.Series([1 + stay // 2 % 5 for stay in {r["stay_id"] for r in key.to_pylist()}])
    assert row["mean"] == pytest.approx(means.mean(), abs=1e-4)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(1.96 * means.std(ddof=0) / np.sqrt(12), rel=0.12)


def test_missing_texts_count_as_1_and_are_not_rated(tmp_path):
    stays = study(cases=12).cases
    planned = study(cases=12, empty=frozenset(("Mistral", stay) for stay in stays))
    ratings, key = rated(tmp_path, planned, lambda row: 5 if row["system"] else None)
    assert "Mistral" not in ratings["system"].to_pylist()
    rows = rating_scores(ratings, key, PATIENTS, "x", BOOTSTRAP).to_pylist()
    means = {row["system"]: (row["mean"], row["empty"], row["ratings"]) for row in rows}
    assert means["Mistral"] == (1, 12, 36) and means["GT"] == (5, 0, 36)


def test_few_patients_are_hidden(tmp_path):
    ratings, key = rated(tmp_path, study(cases=10))
    rows = rating_scores(ratings, key, PATIENTS, "x", BOOTSTRAP).to_pylist()
    assert all(row["mean"] is None and row["ratings"] is None and row["cases"] is None for row in rows)
    assert raters_table(ratings, key, PATIENTS)["mean"].null_count == 3
    agreed = [row for row in agreement(ratings, "x", BOOTSTRAP).to_pylist() if row["raters"] == PEOPLE]
    assert agreed and all(row["value"] is None and row["low"] is None for row in agreed)
    model = mixed_models(ratings, "x", SYSTEMS[0])
    assert model["estimate"].null_count == len(model) and "11 patients" in model["status"][0].as_py()


def test_raters_who_agree_and_raters_who_do_not(tmp_path):
    planned = study(cases=12, raters=4)
    same, _ = rated(tmp_path, planned, spreads=(1.0, 0.0, 0.0))
    other, _ = rated(tmp_path, planned, spreads=(0.0, 0.0, 1.0))
    found = [
        {
            (r["raters"], r["criterion"], r["statistic"]): r
            for r in AGREEMENT.check(agreement(t, "x", BOOTSTRAP), "t").to_pylist()
        }
        for t in (same, other)
    ]
    for statistic in ("ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "pearson", "spearman", "alpha"):
        of_same, of_other = (rows[PEOPLE, ALL, statistic] for rows in found)
        assert of_same["value"] == pytest.approx(1) and abs(of_other["value"]) < 0.25, statistic
        assert of_same["n"] == 12 * 5 * 5
    assert found[0][TWICE, ALL, "same"]["value"] == 1 and found[1][TWICE, ALL, "same"]["value"] < 0.6
    assert found[0][TWICE, ALL, "same"]["n"] == 4 * 1 * 5 * 5, "one case of each rater, five texts, five statements"
    papers = {key: row["paper"] for key, row in found[0].items() if row["paper"] is not None}
    assert papers == {(PEOPLE, ALL, "ICC(A,1)"): 0.637, (PEOPLE, ALL, "pearson"): 0.608}


def test_the_mean_correlation_has_an_interval_over_resampled_cases(tmp_path):
    ratings, _ = rated(tmp_path, study(cases=12, raters=3), spreads=(0.8, 0.3, 0.6))
    row = next(
        r
        for r in agreement(ratings, "x", BOOTSTRAP).to_pylist()
        if (r["raters"], r["criterion"], r["statistic"]) == (PEOPLE, ALL, "pearson")
    )
    assert row["low"] < row["value"] < row["high"]
    frame = ratings.to_pandas()
    own = frame[frame["kind"] == "case"]
    draw, drawn = np.random.default_rng(5), []
    for _ in range(400):
        stays = draw.choice(own["stay_id"].unique(), 12)
        sample = pd.concat([own[own["stay_id"] == stay].assign(copy=n) for n, stay in enumerate(stays)])
        table = sample.pivot(index=["copy", "system", "criterion"], columns="rater", values="value")
        drawn.append(table.corr().to_numpy()[np.triu_indices(3, 1)].mean())
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)


def test_a_shift_of_one_rater_is_in_absolute_agreement_and_not_in_consistency(tmp_path):
    ratings, _ = rated(
        tmp_path, study(cases=12, raters=2), lambda row: 1 + row["stay_id"] // 2 % 4 + (row["rater"] == "R02")
    )
    rows = {
        (r["raters"], r["criterion"], r["statistic"]): r["value"]
        for r in agreement(ratings, "x", BOOTSTRAP).to_pylist()
    }
    assert rows[PEOPLE, ALL, "ICC(C,1)"] == pytest.approx(1) and rows[PEOPLE, ALL, "ICC(A,1)"] < 0.9


def test_incomplete_blocks_have_alpha_and_correlations_but_no_intraclass_correlation(tmp_path):
    planned = study(cases=20, raters=5, raters_per_case=3)
    ratings, key = rated(tmp_path, planned, spreads=(1.0, 0.0, 0.0))
    rows = {
        (r["raters"], r["criterion"], r["statistic"]): r["value"]
        for r in agreement(ratings, "x", BOOTSTRAP).to_pylist()
    }
    assert rows[PEOPLE, ALL, "ICC(A,1)"] is None and rows[PEOPLE, ALL, "ICC(A,k)"] is None
    assert rows[PEOPLE, ALL, "alpha"] == pytest.approx(1) and rows[PEOPLE, ALL, "pearson"] == pytest.approx(1)
    counts = {row["ratings"] for row in rating_scores(ratings, key, PATIENTS, "x", BOOTSTRAP).to_pylist()}
    assert counts == {60}


def careless(row):
    """R02 fails every check, R03 one statement of one check."""
    if row["kind"] == "attention" and row["rater"] == "R02":
        return row["expected"] % 5 + 1
    first = min(i.number for i in study().items if i.rater == "R03" and i.kind == "attention")
    if (row["rater"], row["item"], row["criterion"]) == ("R03", first, "readability"):
        return row["expected"] % 5 + 1
    return None


@pytest.mark.parametrize(("limit", "left_out"), [(None, set()), (1, {"R02", "R03"}), (2, {"R02"}), (3, set())])
def test_failed_checks_are_reported_and_raters_left_out_by_the_rule(tmp_path, limit, left_out):
    ratings, key = rated(tmp_path, study(), careless)
    ratings = leave_out(ratings, limit)
    rows = STUDY_RATERS.check(raters_table(ratings, key, PATIENTS), "test").to_pylist()
    assert [row["failed"] for row in rows] == [0, 2, 1] and {row["checks"] for row in rows} == {2}
    assert {row["rater"] for row in rows if row["status"].startswith("left out")} == left_out
    counted = rating_scores(ratings, key, PATIENTS, "x", BOOTSTRAP)["ratings"].to_pylist()
    assert set(counted) == {12 * (3 - len(left_out))}
    assert {row["n"] for row in agreement(ratings, "x", BOOTSTRAP).to_pylist() if row["raters"] == TWICE} == {
        n * (3 - len(left_out)) for n in (5, 25)
    }


def test_excluding_every_rater_is_an_error(tmp_path):
    ratings, _ = rated(tmp_path, study(), lambda row: 1 + row["expected"] % 5 if row["expected"] else None)
    with pytest.raises(UserError, match=r"every rater failed .* evaluate\.study\.exclusion\.failed_checks"):
        stop_without_raters(leave_out(ratings, 2))


def test_absent_raters_are_listed_and_change_nothing_else(tmp_path):
    ratings, key = rated(tmp_path, study(), absent=("R02",))
    rows = {row["rater"]: row for row in raters_table(ratings, key, PATIENTS).to_pylist()}
    assert rows["R02"]["status"] == "absent" and rows["R02"]["failed"] is None and rows["R01"]["status"] == "counted"
    assert rating_scores(ratings, key, PATIENTS, "x", BOOTSTRAP)["ratings"][0].as_py() == 24


# --- The mixed model ---

EFFECTS = {"A": 0.0, "B": 0.6, "C": -0.8}
SD = {"sd of cases": 0.7, "sd of texts": 0.5, "sd of raters": 0.4, "sd of residuals": 0.6}


def scores(seed: int, cases=40, raters=10) -> pd.DataFrame:
    """Return unrounded scores generated by the same model."""
    draw = np.random.default_rng(seed)
    case, text, rater = (
        draw.normal(0, SD[n], size) for n, size in zip(SPREADS, (cases, (cases, 3), raters), strict=False)
    )
    return pd.DataFrame(
        [
            (f"R{r}", c, s, 3 + EFFECTS[s] + case[c] + text[c, i] + rater[r] + draw.normal(0, SD["sd of residuals"]))
            for r in range(raters)
            for c in range(cases)
            for i, s in enumerate(EFFECTS)
        ],
        columns=["rater", "stay_id", "system", "value"],
    )


def test_the_mixed_model_finds_known_effects_and_spreads():
    runs = [fit(scores(seed), "A") for seed in range(4)]
    assert {status for _, status in runs} == {"converged"}
    for system in "BC":
        errors = [(terms[system]["estimate"] - EFFECTS[system]) / terms[system]["std_error"] for terms, _ in runs]
        assert max(map(abs, errors)) < 3.3 and abs(np.mean(errors)) < 1.7
        # sqrt(2 (0.5^2 + 0.6^2 / 10) / 40); without the component of the texts only the second term would remain.
        assert np.mean([terms[system]["std_error"] for terms, _ in runs]) == pytest.approx(0.1196, rel=0.15)
    for name, true in SD.items():
        assert np.mean([terms[name]["estimate"] for terms, _ in runs]) == pytest.approx(true, rel=0.25), name


def test_in_a_balanced_design_the_estimates_are_the_differences_of_means():
    frame = scores(9)
    terms, _ = fit(frame, "A")
    means = frame.groupby("system")["value"].mean()
    assert terms["B"]["estimate"] == pytest.approx(means["B"] - means["A"], abs=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f[f["system"] == "A"], "it needs ratings of the reference and of another system"),
        (lambda f: f[f["system"] != "A"], "it needs ratings of the reference and of another system"),
        (lambda f: f[f["rater"] == "R0"], "it needs two raters and two cases"),
        (lambda f: f.assign(value=4.0), "all ratings are equal"),
    ],
)
def test_a_model_that_cannot_be_fitted_gives_the_reason(change, reason):
    assert fit(change(scores(1)), "A") == ({}, f"not fitted: {reason}")


def test_the_table_of_the_model_and_the_page(tmp_path):
    ratings, key = rated(tmp_path, study(cases=14, raters=4), effects={"GT": 1.0})
    model = STUDY_MODEL.check(mixed_models(ratings, "x", "ClinRaGen"), "test")
    rows = {(row["criterion"], row["term"]): row for row in model.to_pylist()}
    assert len(rows) == 6 * (4 + 4) and {row["reference"] for row in rows.values()} == {"ClinRaGen"}
    assert rows[ALL, "GT"]["low"] > 0 > rows[ALL, "LLaMA2"]["low"], "one system is better, the others are alike"
    tables = (
        rating_scores(ratings, key, PATIENTS, "MIMIC-III", BOOTSTRAP),
        agreement(ratings, "MIMIC-III", BOOTSTRAP),
        model,
        raters_table(ratings, key, PATIENTS),
    )
    page = study_page(*tables, "MIMIC-III", 2, ["simulated raters"], templates("study"))
    assert (
        "So they agree with each other, and no system is better than another" in page
        and "paper: 0.637" in page
        and "paper: 0.608" in page
    )
    assert all(criterion in page for criterion in CRITERIA)
    assert "Nobody has read" not in study_page(*tables, "MIMIC-III", None, [], templates("study"))


def test_simulated_raters_are_alike_for_all_systems_and_read_the_checks():
    key = study_key(study(cases=18, raters=15))
    rows = {(r["rater"], r["item"], r["letter"]): r for r in key.to_pylist()}
    by_system: dict[str, list[int]] = {}
    for rater, values in simulate_raters(key, 1).items():
        for (item, letter, _), value in values.items():
            row = rows[rater, item, letter]
            if row["expected"]:
                assert value == row["expected"]
            else:
                by_system.setdefault(row["system"], []).append(value)
    means = [np.mean(values) for values in by_system.values()]
    assert len(means) == 5 and max(means) - min(means) < 0.4 and abs(np.mean(means) - 3) < 0.3
    assert simulate_raters(key, 1) == simulate_raters(key, 1) != simulate_raters(key, 2)
