"""The bootstrap over patients: against a plain bootstrap, by simulation, and its purpose."""

import numpy as np
import pytest

from clinragen.evaluate.stats import bootstrap
from clinragen.evaluate.stats.bootstrap import interval, p_value, replicate, standard_error, sums_of_patients
from clinragen.evaluate.stats.classification import averaged


def micro_f1(sums: np.ndarray) -> np.ndarray:
    """Return a statistic of hits, predicted and true [samples, 3 * phenotypes]."""
    return averaged(*np.split(sums, 3, axis=1))["micro", "f1"]


def simulated(rng: np.random.Generator, patients: int, alike: float, phenotypes: int = 5) -> tuple[np.ndarray, ...]:
    """Hits, predicted and true of the stays of patients with one to five stays, and whose each is.

    A share of `alike` of the stays repeats the first stay of its patient.
    """
    owner = np.repeat(np.arange(patients), rng.integers(1, 6, patients))
    first = np.unique(owner, return_index=True)[1][owner]
    stay = np.where(rng.random(len(owner)) < alike, first, np.arange(len(owner)))
    true = (rng.random((len(owner), phenotypes)) < 0.3)[stay]
    predicted = np.where(true, 0.7, 0.1)[stay] > rng.random((len(owner), phenotypes))[stay]
    return np.concatenate([true & predicted, predicted, true], axis=1).astype(np.int32), owner


def test_sums_are_those_of_each_patient_in_any_order():
    values, owner = np.array([[1, 10], [2, 20], [4, 40]]), np.array([7, 3, 7])
    assert sums_of_patients(values, owner).tolist() == [[2, 20], [5, 50]]


def test_a_plain_bootstrap_that_copies_the_stays_finds_the_same():
    values, owner = simulated(np.random.default_rng(3), 40, alike=0.5)
    ours = replicate(sums_of_patients(values, owner), micro_f1, 50, seed=8)
    drawn = np.random.default_rng(8).integers(40, size=(50, 40))
    plain = [micro_f1(np.concatenate([values[owner == p] for p in each]).sum(axis=0)[None])[0] for each in drawn]
    assert ours.tolist() == plain


def test_the_same_patients_are_drawn_however_many_samples_fit_into_memory(monkeypatch):
    sums = sums_of_patients(*simulated(np.random.default_rng(1), 30, alike=1))
    at_once = replicate(sums, micro_f1, 101, seed=1)
    monkeypatch.setattr(bootstrap, "BLOCK_BYTES", 8000)
    assert replicate(sums, micro_f1, 101, seed=1).tolist() == at_once.tolist()
    assert replicate(sums, micro_f1, 101, seed=2).tolist() != at_once.tolist()


def test_sums_are_exact_where_single_precision_is_not():
    sums = np.array([[2**24 + 1], [2**24 + 3]])
    assert set(np.ravel(replicate(sums, lambda drawn: drawn, 50, seed=1)) - 2**25) == {2, 4, 6}
    fractions = np.array([[0.1], [0.3]])
    assert replicate(fractions, lambda drawn: drawn, 50, seed=1).max() == 0.3 + 0.3


def test_resampling_without_patients_is_an_error():
    with pytest.raises(ValueError, match="no patient"):
        replicate(np.zeros((0, 3)), micro_f1, 10, seed=1)


def test_a_95_percent_interval_covers_the_true_value_95_times_in_100():
    """On clusters of stays; the true value is computed from a very large sample."""
    truth = micro_f1(simulated(np.random.default_rng(0), 400_000, alike=0.7)[0].sum(axis=0)[None])[0]
    rng = np.random.default_rng(14)
    covered = []
    for trial in range(2000):
        sums = sums_of_patients(*simulated(rng, 250, alike=0.7))
        low, high = interval(replicate(sums, micro_f1, 400, seed=trial))
        covered.append(low <= truth <= high)
    assert 0.935 <= np.mean(covered) <= 0.965


def test_correlated_stays_of_a_patient_enlarge_the_sampling_error():
    values, owner = simulated(np.random.default_rng(5), 300, alike=1)
    of_patients, of_stays = (
        standard_error(replicate(sums_of_patients(values, of), micro_f1, 2000, seed=1))
        for of in (owner, np.arange(len(owner)))
    )
    assert of_patients > 1.4 * of_stays
    values, owner = simulated(np.random.default_rng(5), 300, alike=0)
    of_patients, of_stays = (
        standard_error(replicate(sums_of_patients(values, of), micro_f1, 2000, seed=1))
        for of in (owner, np.arange(len(owner)))
    )
    assert of_patients == pytest.approx(of_stays, rel=0.15)


def test_the_difference_of_two_runs_on_the_same_patients_varies_less_than_on_others():
    values, owner = simulated(np.random.default_rng(2), 300, alike=0.5)
    other = values.copy()
    other[::10, :10] = 0  # a tenth of the stays without a prediction
    one, same = (replicate(sums_of_patients(v, owner), micro_f1, 2000, seed=1) for v in (values, other))
    apart = replicate(sums_of_patients(other, owner), micro_f1, 2000, seed=2)
    assert standard_error(one - same) < 0.6 * standard_error(one - apart)
    assert np.ptp(interval(one - same)) < 0.6 * np.ptp(interval(one - apart))


def test_p_is_bounded_by_the_number_of_replicates_and_agrees_with_the_interval():
    far = np.arange(1, 10_000)[:, None] * np.array([1.0, -1.0])
    assert p_value(far).tolist() == [2 / 10_000] * 2
    for rounding in (0, 1e-16, -1e-16):
        assert p_value(np.full(99, rounding)) == 1, "rows that predict the same do not differ"
    around = np.random.default_rng(1).normal(size=(9999, 40)) + np.linspace(0, 4, 40)
    low, high = interval(around)
    outside = (low > 0) | (high < 0)
    assert outside.tolist() == (p_value(around) < 0.05).tolist() and 10 < outside.sum() < 30


def test_p_is_uniform_where_there_is_no_difference():
    """One-sided errors would show in the shares below 5 and 20 %."""
    rng, found = np.random.default_rng(9), []
    for trial in range(1000):
        values = rng.normal(size=(120, 1))
        found.append(float(p_value(replicate(values, lambda sums: sums[:, 0], 400, seed=trial))))
    assert 0.035 < np.mean(np.array(found) < 0.05) < 0.07 and 0.17 < np.mean(np.array(found) < 0.2) < 0.235
