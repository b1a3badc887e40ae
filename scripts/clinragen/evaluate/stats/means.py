"""Means over stays, and whatever else follows from sums over stays, with intervals over resampled patients.

Stays of one patient are not independent, so patients are drawn, with all their stays (the cluster bootstrap; Davison
and Hinkley, 1997, section 2.4, percentile interval). All measures and all runs see the same resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.bootstrap import interval, known_interval, replicate, sums_of_patients


@dataclass(frozen=True)
class Measure:
    """What is summed per stay, `terms` [runs, stays, k], and what follows from the sums: `of` maps [..., k] to [...].

    NaN is the value of sums from which nothing follows.
    """

    terms: np.ndarray
    of: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Estimate:
    """Mean over the runs, sample standard deviation over them, and the bounds of the 95 % interval of the mean.

    The first is None where nothing was counted in a run, the second with one run.
    """

    value: float | None
    std: float | None
    low: float | None
    high: float | None


NOTHING = Estimate(None, None, None, None)


def ratio(sums: np.ndarray) -> np.ndarray:
    """The first sum divided by the second; NaN where that is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def share(counts: np.ndarray, of: np.ndarray) -> Measure:
    """The measure sum(counts) / sum(of); both are arrays [runs, stays]."""
    return Measure(np.stack([counts, of], axis=-1).astype(float), ratio)


def mean_interval(values: np.ndarray, patients: np.ndarray, bootstrap: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [columns] of the interval of the mean of each column of values [rows, columns]; `patients` [rows]."""
    sums = sums_of_patients(np.column_stack([values, np.ones(len(values))]), patients)
    return interval(replicate(sums, lambda s: s[:, :-1] / s[:, -1:], bootstrap.replicates, bootstrap.seed))


def estimate(measures: Sequence[Measure], patients: np.ndarray, bootstrap: Bootstrap) -> list[Estimate]:
    """Each measure with its interval; `patients` [stays] says whose a stay is."""
    if not measures or not len(patients):
        return [NOTHING for _ in measures]
    columns = [measure.terms.transpose(1, 0, 2).reshape(len(patients), -1) for measure in measures]
    ends = np.cumsum([each.shape[1] for each in columns])[:-1]

    def of_runs(sums: np.ndarray) -> list[np.ndarray]:
        """Values [samples, runs] of each measure, of the sums [samples, columns] of some samples of patients."""
        parts = zip(measures, np.split(sums, ends, axis=1), strict=True)
        return [m.of(own.reshape(len(own), m.terms.shape[0], m.terms.shape[2])) for m, own in parts]

    sums = sums_of_patients(np.concatenate(columns, axis=1), patients)
    drawn = replicate(
        sums,
        lambda some: np.stack([values.mean(axis=1) for values in of_runs(some)], axis=1),
        bootstrap.replicates,
        bootstrap.seed,
    )
    whole = of_runs(sums.sum(axis=0, keepdims=True))
    return [_estimate(values[0], drawn[:, n]) for n, values in enumerate(whole)]


def _estimate(values: np.ndarray, drawn: np.ndarray) -> Estimate:
    """From the values of the runs [runs], NaN where one has none, and the means over them of all resamples."""
    if not len(values) or np.isnan(values).any():
        return NOTHING
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return Estimate(float(values.mean()), std, *known_interval(drawn))
