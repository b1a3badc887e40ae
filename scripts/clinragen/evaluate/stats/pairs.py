"""Agreement of two raters for many samples of the texts at once, from how often each pair of ratings occurs.

The same statistics as in `agreement`, which take the ratings themselves; the tests compare them.
"""

import numpy as np
from numpy.typing import NDArray

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.agreement import Estimate, krippendorff_alpha, spearman, weighted_kappa
from clinragen.evaluate.stats.bootstrap import known_interval, replicate, sums_of_patients

NAMES = ("spearman", "kappa", "alpha")
"""Spearman's correlation, kappa with quadratic weights, Krippendorff's alpha for ordinal ratings."""
TAU = "tau"
"""Kendall's tau of the orders of the systems."""


def pair_counts(first: NDArray[np.int64], second: NDArray[np.int64], categories: int = 5) -> NDArray[np.int64]:
    """Which pair each text has, as one-hot rows [texts, categories²]; the ratings are 1 to `categories`."""
    return _one_hot(first - 1, second - 1, (categories, categories))


def _one_hot(first: NDArray[np.int64], second: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
    found = np.zeros((len(first), shape[0] * shape[1]), np.int64)
    found[np.arange(len(first)), first * shape[1] + second] = 1
    return found


def compare_two(
    first: NDArray[np.float64], second: NDArray[np.float64], owners: NDArray[np.generic], bootstrap: Bootstrap
) -> dict[str, Estimate]:
    """The statistics of `NAMES` with their 95 % intervals, of two ratings of each text, both [texts] from 1 to 5.

    The first may be a mean of several ratings; kappa and alpha take it rounded (a half to the even number). `owners`
    [texts] says what is drawn with all its texts, such as patients.
    """
    rounded, whole = np.rint(first), second.astype(np.int64)
    values = {
        "spearman": spearman(first, second),
        "kappa": weighted_kappa(rounded, second),
        "alpha": krippendorff_alpha(np.column_stack([rounded, second])),
    }
    levels, places = np.unique(first, return_inverse=True)
    shape = (len(levels), 5)
    counts = [_one_hot(places, whole - 1, shape), pair_counts(rounded.astype(np.int64), whole)]
    sums = sums_of_patients(np.concatenate(counts, axis=1), owners)

    def statistics(drawn: NDArray[np.floating]) -> NDArray[np.float64]:
        ranks, pairs = np.split(drawn, [shape[0] * shape[1]], axis=1)
        found = pair_statistics(pairs)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[:, 0] = _spearman(ranks.reshape(-1, *shape).astype(np.float64))
        return found

    drawn = replicate(sums, statistics, bootstrap.replicates, bootstrap.seed)
    return {
        name: Estimate(value, *known_interval(drawn[:, n])) if value is not None else Estimate(None)
        for n, (name, value) in enumerate(values.items())
    }


def pair_statistics(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """The statistics [samples, 3] in the order of `NAMES`, of the counts [samples, categories²] of each pair.

    NaN where one is not defined for a sample.
    """
    size = round(counts.shape[1] ** 0.5)
    tables = counts.reshape(-1, size, size).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([_spearman(tables), _kappa(tables), _alpha(tables)], axis=1)


def _spearman(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of the middle ranks, of tables [samples, categories, other categories]."""
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
