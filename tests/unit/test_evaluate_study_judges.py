"""Agreement of people with judges on the same texts, and the interval of the correlation among people."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_tree import row
from study import design

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.judge.items import choose_cases as cases_of_judge
from clinragen.evaluate.stats.agreement import krippendorff_alpha, mean_pairwise, spearman, weighted_kappa
from clinragen.evaluate.stats.correlations import mean_pearson_interval
from clinragen.evaluate.stats.pairs import compare_two
from clinragen.evaluate.study.plan import choose_cases as cases_of_study
from clinragen.evaluate.study.with_judges import agreement_with_judges
from clinragen.schemas.judge import BY_RULE, CONTROLS, RATINGS
from clinragen.schemas.ratings import AGREEMENT, ALL, AS_WRITTEN, CRITERIA
from clinragen.schemas.study import STUDY_RATINGS

DRAWS = Bootstrap(replicates=2000, seed=1)
SYSTEMS = ("GT", "ClinRaGen", "Mistral")


def by_people(value, stays: int = 20, raters: int = 3, **changes) -> pa.Table:
    """Return ratings `value(rater, stay, system)`, the same for every criterion."""
    rows = [
        {"rater": f"R{rater}", "item": stay, "letter": system, "kind": "case", "stay_id": stay, "system": system}
        | {"criterion": criterion, "value": value(rater, stay, system), "counted": True}
        | changes
        for rater in range(raters)
        for stay in range(stays)
        for system in SYSTEMS
        for criterion in CRITERIA
    ]
    return pa.Table.from_pylist(rows, STUDY_RATINGS.schema)


def by_judge(value, stays: int = 20, **changes) -> pa.Table:
    rows = [row(n, s, AS_WRITTEN, value(n, s), **changes) for n in range(stays) for s in SYSTEMS]
    return pa.Table.from_pylist(rows, RATINGS.schema)


def compared(people: pa.Table, judge: pa.Table) -> dict[tuple[str, str], dict]:
    table = AGREEMENT.check(agreement_with_judges(people, {"gpt4": judge}, "MIMIC-III", DRAWS), "test")
    assert set(table["raters"].to_pylist()) == {"people, gpt4"}
    return {(r["criterion"], r["statistic"]): r for r in table.to_pylist()}


def level(stay: int, system: str) -> int:
    return 1 + (stay + 2 * SYSTEMS.index(system)) % 5


def test_a_judge_who_rates_as_people_do_on_average_agrees_completely():
    # One rater is a level lower and one a level higher: their mean counts.
    inner = {1: 2, 5: 4}
    shown = by_people(lambda r, n, s: inner.get(level(n, s), level(n, s)) + r - 1)
    same = compared(shown, by_judge(lambda n, s: inner.get(level(n, s), level(n, s))))
    assert same["soundness", "spearman"]["n"] == 60 and same[ALL, "spearman"]["n"] == 300
    for statistic in ("spearman", "kappa", "alpha"):
        assert same[ALL, statistic]["value"] == pytest.approx(1)
        assert (same[ALL, statistic]["low"], same[ALL, statistic]["high"]) == pytest.approx((1, 1))


def test_values_are_those_of_the_mean_of_the_people():
    draw = np.random.default_rng(3)
    given_by = {(r, n, s): int(draw.integers(1, 6)) for r in range(3) for n in range(20) for s in SYSTEMS}
    judge = {(n, s): int(draw.integers(1, 6)) for n in range(20) for s in SYSTEMS}
    statistics = compared(by_people(lambda *place: given_by[place]), by_judge(lambda *place: judge[place]))
    means = np.array([np.mean([given_by[r, *place] for r in range(3)]) for place in judge])
    second, rounded = np.array(list(judge.values())), np.array([round(m) for m in means.tolist()])
    expected = {
        "spearman": spearman(means, second),
        "kappa": weighted_kappa(rounded, second),
        "alpha": krippendorff_alpha(np.column_stack([rounded, second])),
    }
    for statistic, value in expected.items():
        estimate = statistics["soundness", statistic]
        assert estimate["value"] == pytest.approx(value, abs=1e-4)
        assert estimate["low"] < estimate["value"] < estimate["high"]


def test_the_rankings_of_the_systems_are_compared():
    order = dict(zip(SYSTEMS, (5, 3, 2), strict=True))
    people = by_people(lambda r, n, s: order[s])
    assert compared(people, by_judge(lambda n, s: order[s] - 1))[ALL, "tau"]["value"] == 1
    assert compared(people, by_judge(lambda n, s: 6 - order[s]))[ALL, "tau"]["value"] == -1


def test_only_texts_that_both_rated_count():
    people = by_people(lambda r, n, s: level(n, s))
    wrong = [row(n, s, CONTROLS[0], 6 - level(n, s)) for n in range(20) for s in SYSTEMS]
    rule = [row(n, s, AS_WRITTEN, 1, status=BY_RULE) for n in range(20, 30) for s in SYSTEMS]
    unread = [row(n, s, AS_WRITTEN, None, status="flawed") for n in range(30, 40) for s in SYSTEMS]
    table = pa.concat_tables([by_judge(level), pa.Table.from_pylist([*wrong, *rule, *unread], RATINGS.schema)])
    statistics = compared(by_people(lambda r, n, s: level(n, s), stays=40), table)
    assert statistics[ALL, "kappa"]["value"] == 1 and statistics["soundness", "kappa"]["n"] == 60
    # Second ratings, and ratings of excluded raters.
    others = [by_people(lambda *_: 5, kind="repeat"), by_people(lambda *_: 5, raters=9, counted=False)]
    assert compared(pa.concat_tables([people, *others]), by_judge(level)) == compared(people, by_judge(level))


def test_fewer_than_11_common_patients_are_hidden_and_without_judges_there_are_no_rows():
    people = by_people(lambda r, n, s: level(n, s))
    statistics = compared(people, by_judge(level, stays=10))
    assert len(statistics) == 6 * 4
    assert all(r["value"] is None and r["low"] is None and r["n"] == 0 for r in statistics.values())
    assert agreement_with_judges(people, {}, "MIMIC-III", DRAWS).num_rows == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_intervals_equal_those_of_drawn_ratings(seed, missing):
    """Compared with statistics of the ratings that the same generator draws."""
    draw = np.random.default_rng(seed)
    ratings = draw.integers(1, 6, (12, 4)).astype(float)
    if missing:
        ratings[draw.random(ratings.shape) < 0.3] = np.nan
    cases, few = np.repeat(np.arange(6), 2), Bootstrap.model_construct(replicates=30, seed=seed)
    drawn = np.random.default_rng(seed).integers(6, size=(30, 6))
    values = [mean_pairwise(np.concatenate([ratings[cases == case] for case in one]))["pearson"] for one in drawn]
    known = [value for value in values if value is not None]
    interval = mean_pearson_interval(ratings, cases, few)
    assert interval == (pytest.approx(tuple(np.quantile(known, [0.025, 0.975]))) if known else (None, None))
    whole = np.nan_to_num(ratings, nan=3)
    other = compare_two(whole[:, :2].mean(axis=1), whole[:, 2], cases, few)["spearman"]
    pairs = [np.concatenate([whole[cases == case] for case in one]) for one in drawn]
    ranks = [v for own in pairs if (v := spearman(own[:, :2].mean(axis=1), own[:, 2])) is not None]
    assert (other.low, other.high) == pytest.approx(tuple(np.quantile(ranks, [0.025, 0.975])))


def test_the_cases_of_people_are_among_those_of_the_judges():
    stays = list(range(1000))
    patients = {stay: stay // 2 for stay in stays}
    study = cases_of_study(stays, patients, design(cases=100, seed=7))
    assert set(study) < set(cases_of_judge(stays, 200, 7))
    assert len(set(study) & set(cases_of_judge(stays, 200, 8))) < 60
