"""Agreement of two raters on many resamples at once, computed from the counts of each pair of ratings.

The statistics are those of `agreement`, which takes the ratings themselves; tests compare the two.
"""

import numpy as np
from numpy.typing import NDArray

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.agreement import CATEGORIES, Estimate, krippendorff_alpha, spearman, weighted_kappa
from clinragen.evaluate.stats.bootstrap import known_interval, replicate, sums_of_patients

NAMES = ("spearman", "kappa", "alpha")
"""Spearman's correlation, kappa with quadratic weights, Krippendorff's alpha for ordinal ratings."""
TAU = "tau"
"""Kendall's tau of the rankings of the systems."""


def pair_counts(first: NDArray[np.int64], second: NDArray[np.int64], categories: int = CATEGORIES) -> NDArray[np.int64]:
    """Return the pair of ratings of each text as a one-hot row [texts, categories x CATEGORIES].

    The first rating is 1 to `categories`, the second 1 to CATEGORIES.
    """
    counts = np.zeros((len(first), categories * CATEGORIES), np.int64)
    counts[np.arange(len(first)), (first - 1) * CATEGORIES + second - 1] = 1
    return counts


def compare_two(
    first: NDArray[np.float64], second: NDArray[np.float64], owners: NDArray[np.generic], bootstrap: Bootstrap
) -> dict[str, Estimate]:
    """Return the statistics of `NAMES` with 95 % intervals, from two ratings of each text, both [texts] from 1 to 5.

    The first may be a mean of several ratings; kappa and alpha round it (half to even). `owners` [texts] identifies the
    unit that is resampled with all its texts, such as the patient.
    """
    rounded, whole = np.rint(first), second.astype(np.int64)
    values = {
        "spearman": spearman(first, second),
        "kappa": weighted_kappa(rounded, second),
        "alpha": krippendorff_alpha(np.column_stack([rounded, second])),
    }
    levels, index = np.unique(first, return_inverse=True)
    ranks = pair_counts(index + 1, whole, len(levels))  # unrounded, for Spearman's correlation
    sums = sums_of_patients(np.concatenate([ranks, pair_counts(rounded.astype(np.int64), whole)], axis=1), owners)

    def statistics(drawn: NDArray[np.floating]) -> NDArray[np.float64]:
        unrounded, pairs = np.split(drawn, [ranks.shape[1]], axis=1)
        results = pair_statistics(pairs)
        with np.errstate(divide="ignore", invalid="ignore"):
            results[:, 0] = _spearman(unrounded.reshape(-1, len(levels), CATEGORIES).astype(np.float64))
        return results

    drawn = replicate(sums, statistics, bootstrap.replicates, bootstrap.seed)
    return {
        name: Estimate(value, *known_interval(drawn[:, n])) if value is not None else Estimate(None)
        for n, (name, value) in enumerate(values.items())
    }


def pair_statistics(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the statistics of `NAMES` [samples, 3], NaN if undefined, from the counts of each pair [samples, 25]."""
    tables = counts.reshape(-1, CATEGORIES, CATEGORIES).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([_spearman(tables), _kappa(tables), _alpha(tables)], axis=1)


def _spearman(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlation of the mid-ranks, from tables [samples, categories, other categories]."""
    n = tables.sum(axis=(1, 2))
    rows, columns = (_centred_ranks(tables.sum(axis=axis)) for axis in (2, 1))
    covariance = np.einsum("src,sr,sc->s", tables, rows, columns)
    variances = (np.einsum("sk,sk->s", tables.sum(axis=a), ranks**2) for a, ranks in ((2, rows), (1, columns)))
    return np.where(n > 1, covariance / np.sqrt(np.prod(list(variances), axis=0)), np.nan)


def _centred_ranks(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mid-rank of each category minus the mean rank, both [samples, categories]."""
    return margins.cumsum(axis=1) - margins / 2 - margins.sum(axis=1, keepdims=True) / 2


def _kappa(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    size = tables.shape[1]
    distance = np.subtract.outer(np.arange(size), np.arange(size)) ** 2
    expected = np.einsum("sr,sc->src", tables.sum(axis=2), tables.sum(axis=1)) / tables.sum(axis=(1, 2))[:, None, None]
    return 1 - (tables * distance).sum(axis=(1, 2)) / (expected * distance).sum(axis=(1, 2))


def _alpha(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return alpha by Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section D, ordinal metric."""
    coincidences = tables + tables.transpose(0, 2, 1)
    margins = coincidences.sum(axis=2)
    middle = margins.cumsum(axis=1) - margins / 2
    # Half of each end category plus everything between them.
    distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (coincidences * distance).sum(axis=(1, 2))
    expected = np.einsum("sr,sc,src->s", margins, margins, distance) / (margins.sum(axis=1) - 1)
    return 1 - observed / expected
