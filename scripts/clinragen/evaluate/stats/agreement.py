"""Agreement of raters.

A rating matrix has the shape [targets, raters], with NaN for a missing rating. A statistic that the ratings do not
define (all ratings equal, one rater, one target) is None.
"""

import warnings
from collections.abc import Callable
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

FORMS = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")
"""Intraclass correlations (McGraw and Wong 1996); ICC(1,1), (2,1), (3,1), (1,k), (2,k), (3,k) of Shrout and Fleiss."""
CATEGORIES = 5
"""Ratings on a scale are 1 to 5."""
Level = Literal["nominal", "ordinal", "interval", "ratio"]


class Estimate(NamedTuple):
    """A statistic and the bounds of its 95 % interval; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


def icc(ratings: ArrayLike) -> dict[str, Estimate]:
    """Return the six intraclass correlations of a rating matrix with their 95 % intervals, by form (`FORMS`).

    Computed by pingouin from the targets that every rater rated, because the mean squares need balanced data. Undefined
    with fewer than two raters or two such targets, or if all ratings are equal; the interval is also undefined if the
    raters differ only by constants (no residual).
    """
    matrix = _matrix(ratings)
    complete = matrix[~np.isnan(matrix).any(axis=1)]
    targets, raters = complete.shape
    if targets < 2 or raters < 2 or np.ptp(complete) == 0:
        return {form: Estimate(None) for form in FORMS}
    import pandas as pd
    import pingouin

    pingouin.options["round.column.CI95"] = None
    long = pd.DataFrame(
        {
            "target": np.repeat(np.arange(targets), raters),
            "rater": np.tile(np.arange(raters), targets),
            "rating": complete.ravel(),
        }
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # division by a residual of zero: the bounds become None below
        rows = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="rating").set_index("Type")
    return {form: Estimate(_finite(rows["ICC"][form]), *map(_finite, rows["CI95"][form])) for form in FORMS}


def krippendorff_alpha(ratings: ArrayLike, level: Level = "ordinal") -> float | None:
    """Return Krippendorff's alpha of a rating matrix, which may lack ratings.

    Undefined if no target has two ratings, or if all comparable ratings are equal (no expected disagreement).
    """
    import krippendorff

    matrix = _matrix(ratings)
    paired = matrix[(~np.isnan(matrix)).sum(axis=1) >= 2]
    if not len(paired) or len(np.unique(paired[~np.isnan(paired)])) < 2:
        return None
    return _finite(krippendorff.alpha(reliability_data=paired.T, level_of_measurement=level))


def weighted_kappa(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Cohen's kappa with quadratic weights (Cohen 1968) over the targets that both raters rated.

    Undefined without such targets, or if both raters gave the same rating throughout. ValueError unless all ratings are
    integers from 1 to CATEGORIES.
    """
    a, b = _common(first, second)
    if not len(a):
        return None
    if invalid := sorted({*a.tolist(), *b.tolist()} - set(map(float, range(1, CATEGORIES + 1)))):
        raise ValueError(f"ratings outside 1 to {CATEGORIES}: {invalid[:3]}")
    observed = np.zeros((CATEGORIES, CATEGORIES))
    np.add.at(observed, (a.astype(int) - 1, b.astype(int) - 1), 1)
    distance = np.subtract.outer(np.arange(CATEGORIES), np.arange(CATEGORIES)) ** 2
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    by_chance = (distance * expected).sum()
    return _finite(1 - (distance * observed).sum() / by_chance) if by_chance else None


def pearson(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Pearson's correlation over the targets that both raters rated; undefined if either is constant there."""
    return _correlation(stats.pearsonr, first, second)


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Spearman's rank correlation over the same targets, under the same conditions."""
    return _correlation(stats.spearmanr, first, second)


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Kendall's tau-b over the same targets, under the same conditions."""
    return _correlation(stats.kendalltau, first, second)


def tau_of_systems(systems: ArrayLike, first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Kendall's tau of two rankings of the systems: by mean first and by mean second rating; all are [texts]."""
    names = np.asarray(systems)
    means = [[np.asarray(x)[names == name].mean() for name in np.unique(names)] for x in (first, second)]
    return kendall_tau(*means)


def mean_pairwise(ratings: ArrayLike) -> dict[str, float | None]:
    """Return the means over all pairs of raters of their Pearson and Spearman correlation, as `pearson` and `spearman`.

    Pairs whose correlation is undefined are skipped.
    """
    columns = list(_matrix(ratings).T)
    means = {}
    for name, correlation in (("pearson", pearson), ("spearman", spearman)):
        values = [value for a, b in combinations(columns, 2) if (value := correlation(a, b)) is not None]
        means[name] = float(np.mean(values)) if values else None
    return means


def _correlation(function: Callable[..., Any], first: ArrayLike, second: ArrayLike) -> float | None:
    """Return a correlation of scipy.stats over the targets that both raters rated; None if either is constant."""
    a, b = _common(first, second)
    if any(len(values) < 2 or np.ptp(values) == 0 for values in (a, b)):
        return None
    return _finite(function(a, b).statistic)


def _matrix(ratings: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(ratings, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"expected ratings of shape [targets, raters], not {matrix.shape}")
    return matrix


def _common(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ratings of both raters for the targets that both rated."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"expected two vectors of ratings of the same length, not {a.shape} and {b.shape}")
    both = ~(np.isnan(a) | np.isnan(b))
    return a[both], b[both]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
