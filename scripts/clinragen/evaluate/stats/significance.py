"""Tests of differences between models, corrections for multiple tests, and minimum detectable effects."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

SIGNIFICANT = 0.05
POWER = 0.8


def welch(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the two-sided p value of Welch's t-test (unequal variances).

    None if undefined: fewer than two values in a sample, or no spread in either.
    """
    if min(len(one), len(other)) < 2 or np.ptp(one) == np.ptp(other) == 0:
        return None
    with _ignoring_precision_loss():
        return float(stats.ttest_ind(one, other, equal_var=False).pvalue)


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """Return the two-sided p value of the paired t-test over the common seeds of two sets of values by seed.

    None if undefined: fewer than two common seeds, or the same difference for all.
    """
    seeds = sorted(one.keys() & other.keys())
    differences = np.array([one[seed] - other[seed] for seed in seeds])
    if len(seeds) < 2 or np.ptp(differences) == 0:
        return None
    with _ignoring_precision_loss():
        return float(stats.ttest_1samp(differences, 0.0).pvalue)


@contextmanager
def _ignoring_precision_loss() -> Iterator[None]:
    """Suppress SciPy's warning about values that are equal up to rounding: their p value is correctly near 0."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss")
        yield


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values by Holm's method, which bounds the probability of any false positive.

    Undefined tests (None) are not members of the family.
    """
    return _adjusted(values, "holm")


def benjamini_hochberg(values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values by the method of Benjamini and Hochberg, which bounds the expected share of false positives."""
    return _adjusted(values, "fdr_bh")


def _adjusted(values: Sequence[float | None], method: str) -> list[float | None]:
    family = [value for value in values if value is not None]
    adjusted = iter(multipletests(family, method=method)[1]) if family else iter(())
    return [None if value is None else float(next(adjusted)) for value in values]


def detectable(standard_error: float) -> float:
    """Return the smallest true difference that a two-sided test at 5 % detects with a power of 80 %.

    2.80 standard errors of the estimated difference, assumed normal: the minimum detectable effect of Bloom (Evaluation
    Review 19, 547-556, 1995).
    """
    return float((stats.norm.ppf(1 - SIGNIFICANT / 2) + stats.norm.ppf(POWER)) * standard_error)
