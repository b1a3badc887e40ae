"""Tests and corrections against published examples, statsmodels and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from clinragen.evaluate.stats.significance import benjamini_hochberg, detectable, holm, paired, welch

# Student, The probable error of a mean (Biometrika 6, 1908): hours of sleep that ten patients gain by two drugs.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# Benjamini and Hochberg (Journal of the Royal Statistical Society B 57, 1995), section 4: 15 p values of a trial.
TRIAL = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
]


def test_students_example():
    """As R's t.test(extra ~ group, sleep) and t.test(..., paired = TRUE) print it: 0.07939 and 0.002833."""
    assert welch(FIRST, SECOND) == pytest.approx(0.07939, abs=5e-6)
    assert paired(dict(enumerate(FIRST)), dict(enumerate(SECOND))) == pytest.approx(0.002833, abs=5e-7)


def test_benjamini_and_hochbergs_example():
    """Benjamini-Hochberg rejects the four smallest p values at 5 %, Holm only the first three."""
    assert [q < 0.05 for q in benjamini_hochberg(TRIAL)] == [True] * 4 + [False] * 11
    assert [p < 0.05 for p in holm(TRIAL)] == [True] * 3 + [False] * 12


def test_holm_by_hand_in_any_order_and_without_undefined_tests():
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert benjamini_hochberg([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.02, None, 0.04, 0.04, 0.02])
    assert holm([]) == [] and holm([None]) == benjamini_hochberg([None]) == [None]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({1: 0.5}, {1: 0.4, 2: 0.3}),  # one seed of one of them
        ({1: 0.5, 2: 0.5}, {1: 0.4, 2: 0.4}),  # no spread at all
        ({}, {}),  # rows that are asked
    ],
)
def test_undefined_tests_have_no_p_value(one, other):
    assert welch(list(one.values()), list(other.values())) is paired(one, other) is None


def test_the_paired_test_uses_common_seeds():
    both = paired({1: 0.1, 2: 0.3, 3: 0.2}, {3: 0.1, 2: 0.1, 1: 0.05})
    assert paired({1: 0.1, 2: 0.3, 3: 0.2, 4: 9.0}, {3: 0.1, 2: 0.1, 1: 0.05, 5: 7.0}) == both
    assert both == pytest.approx(stats.ttest_rel([0.1, 0.3, 0.2], [0.05, 0.1, 0.1]).pvalue)


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 0.9), min_size=2, max_size=6), st.lists(st.floats(0.1, 0.9), min_size=2, max_size=6))
def test_scipy_finds_the_same_from_the_moments(one, other):
    p = welch(one, other)
    if p is None:
        assert np.ptp(one) == np.ptp(other) == 0
    elif min(np.ptp(one), np.ptp(other)) > 1e-6:
        moments = (
            function(values) for values in (one, other) for function in (np.mean, lambda v: np.std(v, ddof=1), len)
        )
        assert p == pytest.approx(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue, rel=1e-6)


def test_a_detectable_difference_is_detected_with_the_stated_power():
    """The inverse computation by statsmodels, which also counts rejections on the wrong side."""
    effect = detectable(1.0)
    assert effect == pytest.approx(2.8016, abs=1e-4) and detectable(0.5) == pytest.approx(effect / 2)
    # One sample of one value with a standard deviation of 1 has a standard error of 1.
    assert NormalIndPower().power(effect, nobs1=1, alpha=0.05, ratio=0) == pytest.approx(0.8, abs=1e-4)
