"""Bootstrap over patients: every statistic is computed on the same resampled patients.

Stays of one patient are correlated, so patients are drawn instead of stays (cluster bootstrap; Davison and Hinkley,
1997, section 2.4). A statistic of sums over stays needs only how often each patient was drawn times that patient's
sums: one matrix product for many resamples. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6,
13, 15.
"""

from collections.abc import Callable, Iterator

import numpy as np

LEVEL = 0.95
BLOCK_BYTES = 1 << 26
EXACT_IN_FLOAT32 = 1 << 24
# Equal scores averaged over different numbers of runs differ by less than this.
ROUNDING = 1e-12

Statistic = Callable[[np.ndarray], np.ndarray]


def sums_of_patients(values: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Return the sums [patients, columns] of `values` [samples, columns] by patient, in the order of `np.unique`.

    `patients` [samples] identifies the patient of each sample.
    """
    order = np.argsort(patients, kind="stable")
    starts = np.unique(patients[order], return_index=True)[1]
    return np.add.reduceat(values[order], starts, axis=0)


def replicate(sums: np.ndarray, statistic: Statistic, replicates: int, seed: int) -> np.ndarray:
    """Return the values [replicates, ...] of a statistic on patients drawn with replacement.

    `sums` [patients, columns] come from `sums_of_patients`; `statistic` maps the sums of several resamples
    [samples, columns] to values [samples, ...]. The draw depends only on the seed and the number of patients, not on
    the block size, which bounds memory. Sums of integers are exact. ValueError without patients.
    """
    if not len(sums):
        raise ValueError("no patients to resample")
    sums = _in_float32_where_exact(sums)
    patients, columns = sums.shape
    size = max(1, BLOCK_BYTES // (16 * patients + 8 * columns))
    return np.concatenate(
        [statistic(counts.astype(sums.dtype) @ sums) for counts in _draws(patients, replicates, seed, size)]
    )


def _in_float32_where_exact(sums: np.ndarray) -> np.ndarray:
    """Convert to single precision, twice as fast, if every possible resample has integer sums that it can represent."""
    largest = len(sums) * float(np.abs(sums).max(initial=0))
    exact = np.issubdtype(sums.dtype, np.integer) and largest <= EXACT_IN_FLOAT32
    return np.ascontiguousarray(sums, np.float32 if exact else np.float64)


def _draws(patients: int, replicates: int, seed: int, size: int) -> Iterator[np.ndarray]:
    """Yield how often each patient is in each resample [samples, patients], at most `size` resamples at a time."""
    generator = np.random.default_rng(seed)
    for first in range(0, replicates, size):
        samples = min(size, replicates - first)
        drawn = generator.integers(patients, size=(samples, patients))
        drawn += np.arange(samples)[:, None] * patients
        counts = np.bincount(drawn.ravel(), minlength=samples * patients)
        yield counts.reshape(samples, patients)


def interval(replicates: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds [...] of the percentile interval of values [replicates, ...]."""
    tail = (1 - level) / 2
    low, high = np.quantile(replicates, (tail, 1 - tail), axis=0)
    return low, high


def known_interval(replicates: np.ndarray) -> tuple[float | None, float | None]:
    """Return the bounds of the interval of the finite values among `replicates` [replicates]; None without any."""
    finite = replicates[np.isfinite(replicates)]
    if not len(finite):
        return None, None
    low, high = interval(finite)
    return float(low), float(high)


def standard_error(replicates: np.ndarray) -> np.ndarray:
    """Return the standard deviation [...] of values [replicates, ...]: the sampling error of the statistic."""
    return replicates.std(axis=0, ddof=1)


def p_value(differences: np.ndarray) -> np.ndarray:
    """Return two-sided p values [...] of the hypothesis that a difference [replicates, ...] is 0.

    Twice the share of replicates on the rarer side of 0: the level at which the percentile interval ends at 0. The
    observed difference counts as one more replicate (Davison and Hinkley, 1997, section 4.2), so p is at least
    2 / (replicates + 1). Replicates that are 0 up to rounding count on both sides.
    """
    either = (differences <= ROUNDING, differences >= -ROUNDING)
    sides = [(1 + side.sum(axis=0)) / (1 + len(differences)) for side in either]
    return np.minimum(1.0, 2 * np.minimum(*sides))
