"""Interval of the mean correlation of all pairs of raters: for many samples of the rated cases at once."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.bootstrap import known_interval, replicate, sums_of_patients

TERMS = 6


def mean_pearson_interval(
    ratings: NDArray[np.float64], cases: NDArray[np.generic], bootstrap: Bootstrap
) -> tuple[float | None, float | None]:
    """Bounds of the 95 % interval of `mean_pairwise(ratings)["pearson"]` over resampled cases; None if not defined.

    `ratings` [texts, raters] are whole numbers, NaN where one is missing; `cases` [texts] says whose rationale a text
    is. The raters stay the same: the interval is about other cases, not about other people.
    """
    if ratings.shape[1] < 2 or not len(ratings):
        return None, None
    sums = sums_of_patients(pair_terms(ratings), cases)
    return known_interval(replicate(sums, mean_pearson, bootstrap.replicates, bootstrap.seed))


def pair_terms(ratings: NDArray[np.float64]) -> NDArray[np.int64]:
    """What correlations are made of [texts, pairs x TERMS]: 1, x, y, x^2, y^2, xy where both have rated, else 0."""
    columns = []
    for one, other in combinations(range(ratings.shape[1]), 2):
        x, y = ratings[:, one], ratings[:, other]
        columns += [np.ones(len(x)), x, y, x * x, y * y, x * y]
        missing = np.isnan(x + y)
        for column in range(-TERMS, 0):
            columns[column] = np.where(missing, 0, columns[column])
    return np.stack(columns, axis=1).astype(np.int64)


def mean_pearson(sums: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean [samples] over the pairs whose correlation is defined, of sums [samples, pairs x TERMS] of `pair_terms`."""
    n, x, y, xx, yy, xy = np.moveaxis(sums.astype(np.float64).reshape(len(sums), -1, TERMS), 2, 0)
    spread = (n * xx - x * x) * (n * yy - y * y)  # whole numbers, so exactly 0 if one is constant
    defined = spread > 0
    found = np.divide(n * xy - x * y, np.sqrt(spread), out=np.zeros_like(n), where=defined)
    pairs = defined.sum(axis=1)
    return np.divide(found.sum(axis=1), pairs, out=np.full(len(sums), np.nan), where=pairs > 0)
