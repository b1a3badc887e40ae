"""Agreement of raters for many samples of the texts at once, from what can be summed over texts.

Of two raters from how often each pair of ratings occurs, of many from the moments of every two. The same statistics as
in `agreement`, which take the ratings themselves; the tests compare them.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

NAMES = ("spearman", "kappa", "alpha")
"""Spearman's correlation, kappa with quadratic weights, Krippendorff's alpha for ordinal ratings."""
MOMENTS = 6
"""Of two raters: number of texts, sums of both ratings, of their squares, and of their product."""


def pair_counts(first: NDArray[np.int64], second: NDArray[np.int64], categories: int = 5) -> NDArray[np.int64]:
    """Which pair each text has, as one-hot rows [texts, categories²]; the ratings are 1 to `categories`."""
    found = np.zeros((len(first), categories * categories), np.int64)
    found[np.arange(len(first)), (first - 1) * categories + second - 1] = 1
    return found


def pair_statistics(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """The statistics [samples, 3] in the order of `NAMES`, of the counts [samples, categories²] of each pair.

    NaN where one is not defined for a sample.
    """
    size = round(counts.shape[1] ** 0.5)
    tables = counts.reshape(-1, size, size).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([_spearman(tables), _kappa(tables), _alpha(tables)], axis=1)


def _spearman(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of the middle ranks."""
    n = tables.sum(axis=(1, 2))
    rows, columns = (_centred_ranks(tables.sum(axis=axis)) for axis in (2, 1))
    covariance = np.einsum("src,sr,sc->s", tables, rows, columns)
    variances = (np.einsum("sk,sk->s", tables.sum(axis=a), ranks**2) for a, ranks in ((2, rows), (1, columns)))
    return np.where(n > 1, covariance / np.sqrt(np.prod(list(variances), axis=0)), np.nan)


def _centred_ranks(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middle rank of each category [samples, categories], minus the mean rank."""
    return margins.cumsum(axis=1) - margins / 2 - margins.sum(axis=1, keepdims=True) / 2


def _kappa(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    size = tables.shape[1]
    distance = np.subtract.outer(np.arange(size), np.arange(size)) ** 2
    expected = np.einsum("sr,sc->src", tables.sum(axis=2), tables.sum(axis=1)) / tables.sum(axis=(1, 2))[:, None, None]
    return 1 - (tables * distance).sum(axis=(1, 2)) / (expected * distance).sum(axis=(1, 2))


def _alpha(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section D, with the ordinal metric."""
    coincidences = tables + tables.transpose(0, 2, 1)
    margins = coincidences.sum(axis=2)
    middle = margins.cumsum(axis=1) - margins / 2
    # Half of both ends, and all that lies between.
    distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (coincidences * distance).sum(axis=(1, 2))
    expected = np.einsum("sr,sc,src->s", margins, margins, distance) / (margins.sum(axis=1) - 1)
    return 1 - observed / expected


def pair_moments(ratings: NDArray[np.float64]) -> NDArray[np.int64]:
    """What each text adds to the moments of every two raters [texts, pairs x MOMENTS].

    `ratings` [texts, raters] are whole numbers; a text that one of the two has not rated (NaN) adds nothing to theirs.
    """
    found = []
    for a, b in combinations(ratings.T, 2):
        both = ~(np.isnan(a) | np.isnan(b))
        x, y = (np.where(both, values, 0) for values in (a, b))
        found += [both, x, y, x * x, y * y, x * y]
    return np.array(found, dtype=np.int64).T.reshape(len(ratings), -1)


def mean_pearson(moments: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of Pearson's correlation over all pairs of raters [samples], of sums of moments [samples, pairs x MOMENTS].

    Pairs without a correlation, because a rater is constant, do not count; NaN without any other.
    """
    sums = np.asarray(moments, np.float64).reshape(len(moments), -1, MOMENTS)
    n, x, y, xx, yy, xy = np.moveaxis(sums, 2, 0)
    # Of whole ratings all of these are whole numbers, so that 0 is exact.
    variances = (n * xx - x * x) * (n * yy - y * y)
    defined = variances > 0
    found = np.divide(n * xy - x * y, np.sqrt(variances), out=np.zeros(variances.shape), where=defined)
    pairs = defined.sum(axis=1)
    return np.where(pairs > 0, found.sum(axis=1) / np.maximum(pairs, 1), np.nan)
