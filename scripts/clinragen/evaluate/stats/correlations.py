"""Interval of the mean correlation of all pairs of raters, computed for many resamples of the cases at once."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.bootstrap import known_interval, replicate, sums_of_patients

TERMS = 6


def mean_pearson_interval(
    ratings: NDArray[np.float64], cases: NDArray[np.generic], bootstrap: Bootstrap
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of `mean_pairwise(ratings)["pearson"]` over resampled cases; None if undefined.

    `ratings` [texts, raters] are integers, NaN for a missing one; `cases` [texts] identifies the case of each text. The
    raters are fixed: the interval covers other cases, not other raters.
    """
    if ratings.shape[1] < 2 or not len(ratings):
        return None, None
    sums = sums_of_patients(pair_terms(ratings), cases)
    return known_interval(replicate(sums, mean_pearson, bootstrap.replicates, bootstrap.seed))


def pair_terms(ratings: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the terms of each pair's correlation [texts, pairs x TERMS]: 1, x, y, x², y², xy if both rated, else 0."""
    columns = []
    for x, y in combinations(ratings.T, 2):
        terms = np.ones(len(x)), x, y, x * x, y * y, x * y
        columns += [np.where(np.isnan(x + y), 0, term) for term in terms]
    return np.stack(columns, axis=1).astype(np.int64)


def mean_pearson(sums: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean correlation [samples] of the pairs that have one, from sums of `pair_terms` [samples, ...]."""
    n, x, y, xx, yy, xy = np.moveaxis(sums.astype(np.float64).reshape(len(sums), -1, TERMS), 2, 0)
    spread = (n * xx - x * x) * (n * yy - y * y)  # integers, so exactly 0 if one rater is constant
    defined = spread > 0
    correlations = np.divide(n * xy - x * y, np.sqrt(spread), out=np.zeros_like(n), where=defined)
    pairs = defined.sum(axis=1)
    return np.divide(correlations.sum(axis=1), pairs, out=np.full(len(sums), np.nan), where=pairs > 0)
