"""Means and other functions of sums over stays, with percentile intervals over resampled patients (`bootstrap`).

All measures and all runs see the same resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.bootstrap import interval, known_interval, replicate, sums_of_patients


@dataclass(frozen=True)
class Measure:
    """A function of sums over stays.

    `terms` [runs, stays, k] are summed over the stays; `of` maps the sums [..., k] to values [...], NaN if undefined.
    """

    terms: np.ndarray
    of: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation over the runs, and the bounds of the mean's 95 % interval.

    All are None if the measure is undefined in a run; `std` is None for a single run.
    """

    value: float | None
    std: float | None
    low: float | None
    high: float | None


NOTHING = Estimate(None, None, None, None)


def ratio(sums: np.ndarray) -> np.ndarray:
    """Return the first sum divided by the second, NaN where that is 0; `sums` is [..., 2]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def share(counts: np.ndarray, of: np.ndarray) -> Measure:
    """Return the measure sum(counts) / sum(of); both are [runs, stays]."""
    return Measure(np.stack([counts, of], axis=-1).astype(float), ratio)


def mean_interval(values: np.ndarray, patients: np.ndarray, bootstrap: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds [columns] of the intervals of the means of `values` [rows, columns]; `patients` is [rows]."""
    sums = sums_of_patients(np.column_stack([values, np.ones(len(values))]), patients)
    return interval(replicate(sums, lambda s: s[:, :-1] / s[:, -1:], bootstrap.replicates, bootstrap.seed))


def estimate(measures: Sequence[Measure], patients: np.ndarray, bootstrap: Bootstrap) -> list[Estimate]:
    """Estimate each measure with its interval; `patients` [stays] identifies the patient of each stay."""
    if not measures or not len(patients):
        return [NOTHING for _ in measures]
    columns = [measure.terms.transpose(1, 0, 2).reshape(len(patients), -1) for measure in measures]
    ends = np.cumsum([each.shape[1] for each in columns])[:-1]

    def of_runs(sums: np.ndarray) -> list[np.ndarray]:
        """Return the values [samples, runs] of each measure from the sums [samples, columns]."""
        pairs = zip(measures, np.split(sums, ends, axis=1), strict=True)
        return [m.of(own.reshape(len(own), m.terms.shape[0], m.terms.shape[2])) for m, own in pairs]

    sums = sums_of_patients(np.concatenate(columns, axis=1), patients)
    drawn = replicate(
        sums,
        lambda resampled: np.stack([values.mean(axis=1) for values in of_runs(resampled)], axis=1),
        bootstrap.replicates,
        bootstrap.seed,
    )
    whole = of_runs(sums.sum(axis=0, keepdims=True))
    return [_estimate(values[0], drawn[:, n]) for n, values in enumerate(whole)]


def _estimate(values: np.ndarray, drawn: np.ndarray) -> Estimate:
    """Summarize the values of the runs [runs] and their means on all resamples [replicates]; NaN is undefined."""
    if not len(values) or np.isnan(values).any():
        return NOTHING
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return Estimate(float(values.mean()), std, *known_interval(drawn))
