"""Means over stays with intervals over patients."""

import numpy as np
import pytest

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.means import NOTHING, Measure, estimate, ratio, share

SETTINGS = Bootstrap(replicates=1000, seed=3)


def test_patients_are_drawn_with_all_their_stays():
    """Compared with a loop that draws patients one by one from the same random numbers."""
    patients = np.array([7, 7, 7, 2, 2, 9, 4])
    values, over = np.array([[3.0, 1, 2, 0, 5, 4, 1]]), np.array([[1.0, 1, 2, 1, 0, 3, 1]])
    (result,) = estimate([share(values, over)], patients, Bootstrap(replicates=1000, seed=3))
    generator, names, drawn = np.random.default_rng(3), np.unique(patients), []
    for picked in generator.integers(len(names), size=(1000, len(names))):
        stays = np.concatenate([np.flatnonzero(patients == names[p]) for p in picked])
        drawn.append(values[0, stays].sum() / over[0, stays].sum())
    assert result.value == pytest.approx(16 / 9) and result.std is None
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_the_value_is_the_mean_over_the_runs_and_the_runs_share_the_resamples():
    generator = np.random.default_rng(0)
    values = generator.random((3, 40))
    (result,) = estimate([share(values, np.ones((3, 40)))], np.arange(40), SETTINGS)
    assert result.value == pytest.approx(values.mean())
    assert result.std == pytest.approx(values.mean(axis=1).std(ddof=1))
    (mean,) = estimate([share(values.mean(axis=0, keepdims=True), np.ones((1, 40)))], np.arange(40), SETTINGS)
    assert (result.low, result.high) == pytest.approx((mean.low, mean.high))


def test_stays_of_one_patient_widen_the_interval():
    values = np.repeat(np.random.default_rng(1).random(30), 4)[None]
    apart, together = (
        estimate([share(values, np.ones_like(values))], who, SETTINGS)[0]
        for who in (np.arange(120), np.repeat(np.arange(30), 4))
    )
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_nothing_counted_has_no_value():
    nothing = share(np.zeros((2, 3)), np.array([[1, 1, 1], [0, 0, 0]]))
    assert estimate([nothing], np.arange(3), SETTINGS) == [NOTHING]
    assert estimate([share(np.zeros((1, 0)), np.zeros((1, 0)))], np.array([]), SETTINGS) == [NOTHING]


def test_resamples_without_a_value_are_left_out():
    (result,) = estimate([share(np.array([[1.0, 0, 0]]), np.array([[2.0, 0, 0]]))], np.arange(3), SETTINGS)
    assert (result.value, result.low, result.high) == (0.5, 0.5, 0.5)


def test_every_measure_sees_the_same_resamples_whatever_their_number():
    terms = np.random.default_rng(2).random((1, 25, 2))
    alone = estimate([Measure(terms, ratio)], np.arange(25), SETTINGS)[0]
    assert estimate([Measure(terms[..., ::-1], ratio), Measure(terms, ratio)], np.arange(25), SETTINGS)[1] == alone
    assert estimate([Measure(terms, ratio)], np.arange(25), Bootstrap(replicates=1000, seed=4))[0] != alone
