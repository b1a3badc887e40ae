"""Tests of differences between models, corrections for many of them, and what a test split can show."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

SIGNIFICANT = 0.05
POWER = 0.8


def welch(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Two-sided p of Welch's t-test of two samples with variances of their own.

    None where it is not defined: fewer than two values in a sample, or no spread in either.
    """
    if min(len(one), len(other)) < 2 or np.ptp(one) == np.ptp(other) == 0:
        return None
    with _without_warning_of_rounding():
        return float(stats.ttest_ind(one, other, equal_var=False).pvalue)


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """Two-sided p of the paired t-test over the seeds that both have, given the values by seed.

    None where it is not defined: fewer than two seeds in common, or the same difference for all.
    """
    seeds = sorted(one.keys() & other.keys())
    differences = np.array([one[seed] - other[seed] for seed in seeds])
    if len(seeds) < 2 or np.ptp(differences) == 0:
        return None
    with _without_warning_of_rounding():
        return float(stats.ttest_1samp(differences, 0.0).pvalue)


@contextmanager
def _without_warning_of_rounding() -> Iterator[None]:
    """Without SciPy's warning of values that are the same except for rounding, whose p is rightly next to 0."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss")
        yield


def holm(values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted by Holm's method, which bounds the chance of any false positive among them.

    Tests that are not defined (None) are no members of the family.
    """
    return _adjusted(values, "holm")


def benjamini_hochberg(values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted by the method of Benjamini and Hochberg, which bounds the expected share of false positives."""
    return _adjusted(values, "fdr_bh")


def _adjusted(values: Sequence[float | None], method: str) -> list[float | None]:
    family = [value for value in values if value is not None]
    found = iter(multipletests(family, method=method)[1]) if family else iter(())
    return [None if value is None else float(next(found)) for value in values]


def detectable(standard_error: float) -> float:
    """Smallest true difference that a two-sided test at 5 % shows with a probability of 80 %.

    2.80 standard errors of the estimated difference, which is taken as normal: the minimum detectable effect of Bloom
    (Evaluation Review 19, 547-556, 1995).
    """
    return float((stats.norm.ppf(1 - SIGNIFICANT / 2) + stats.norm.ppf(POWER)) * standard_error)
