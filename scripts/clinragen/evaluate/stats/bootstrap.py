"""Bootstrap over patients: every statistic is computed on the same resampled patients.

Stays of one patient are alike, so patients are drawn, not stays. A patient who is drawn twice counts twice: all that a
statistic needs of a sample of patients is how often each was drawn times the sums over that patient's stays, one
product of matrices for many samples. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6, 13, 15.
"""

from collections.abc import Callable, Iterator

import numpy as np

LEVEL = 0.95
BLOCK_BYTES = 1 << 26
EXACT_IN_FLOAT32 = 1 << 24
# Of means of scores that are the same, but of other numbers of runs.
ROUNDING = 1e-12

Statistic = Callable[[np.ndarray], np.ndarray]


def sums_of_patients(values: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Sums [patients, columns] of the values [samples, columns] of each patient, in the order of `np.unique`.

    `patients` [samples] says whose each sample is.
    """
    order = np.argsort(patients, kind="stable")
    starts = np.unique(patients[order], return_index=True)[1]
    return np.add.reduceat(values[order], starts, axis=0)


def replicate(sums: np.ndarray, statistic: Statistic, replicates: int, seed: int) -> np.ndarray:
    """Values [replicates, ...] of a statistic on as many samples of patients, drawn with replacement.

    `sums` [patients, columns] are those of `sums_of_patients`; `statistic` turns the sums of some samples of patients
    [samples, columns] into values [samples, ...]. The same seed and number of patients draw the same patients, and how
    many samples are drawn at once, which bounds the memory, changes none of them. Sums of whole numbers are exact.
    """
    if not len(sums):
        raise ValueError("there is no patient to draw")
    sums = _in_float32_where_exact(sums)
    return np.concatenate([statistic(drawn @ sums) for drawn in _draws(*sums.shape, sums.dtype, replicates, seed)])


def _in_float32_where_exact(sums: np.ndarray) -> np.ndarray:
    """In single precision, which is twice as fast, whole numbers whose sums it holds whatever is drawn."""
    largest = len(sums) * float(np.abs(sums).max(initial=0))
    exact = np.issubdtype(sums.dtype, np.integer) and largest <= EXACT_IN_FLOAT32
    return np.ascontiguousarray(sums, np.float32 if exact else np.float64)


def _draws(patients: int, columns: int, dtype: np.dtype, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """How often each patient is in each sample [samples, patients], some samples at a time."""
    generator = np.random.default_rng(seed)
    # Whoever is drawn is an integer of 8 bytes; a statistic needs several times the room of its sums.
    size = max(1, BLOCK_BYTES // (16 * patients + 8 * columns))
    for first in range(0, replicates, size):
        samples = min(size, replicates - first)
        drawn = generator.integers(patients, size=(samples, patients))
        drawn += np.arange(samples)[:, None] * patients
        counts = np.bincount(drawn.ravel(), minlength=samples * patients)
        yield counts.reshape(samples, patients).astype(dtype)


def interval(replicates: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [...] of the percentile interval of values [replicates, ...]."""
    tail = (1 - level) / 2
    low, high = np.quantile(replicates, (tail, 1 - tail), axis=0)
    return low, high


def known_interval(replicates: np.ndarray) -> tuple[float | None, float | None]:
    """Bounds of the interval of the values [replicates] that are defined, None if none is."""
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return None, None
    low, high = interval(known)
    return float(low), float(high)


def standard_error(replicates: np.ndarray) -> np.ndarray:
    """Standard deviation [...] of values [replicates, ...]: the sampling error of the statistic."""
    return replicates.std(axis=0, ddof=1)


def p_value(differences: np.ndarray) -> np.ndarray:
    """Two-sided p values [...] of the hypothesis that a difference [replicates, ...] is 0.

    Twice the share of replicates on the rarer side of 0, which is the level at which the percentile interval ends at
    0. The difference itself counts as one replicate more (Davison and Hinkley, 1997, section 4.2), so that no p is
    below 2 / (replicates + 1); replicates that are 0, except for rounding, are on both sides.
    """
    either = (differences <= ROUNDING, differences >= -ROUNDING)
    sides = [(1 + side.sum(axis=0)) / (1 + len(differences)) for side in either]
    return np.minimum(1.0, 2 * np.minimum(*sides))
