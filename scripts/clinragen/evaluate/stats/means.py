"""Means over stays, and whatever else follows from sums over stays, with intervals over resampled patients.

Stays of one patient are not independent, so patients are drawn, with all their stays (the cluster bootstrap; Davison
and Hinkley, 1997, section 2.4, percentile interval). All measures and all runs see the same resamples.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clinragen.config.evaluate import Bootstrap

LEVEL = 0.95
# Resamples at once, which bounds the memory and changes nothing.
TOGETHER = 250


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


def estimate(measures: Sequence[Measure], patients: np.ndarray, bootstrap: Bootstrap) -> list[Estimate]:
    """Each measure with its interval; `patients` [stays] says whose a stay is."""
    _, owners = np.unique(patients, return_inverse=True)
    number = int(owners.max()) + 1 if len(owners) else 0
    sums = [_per_patient(measure.terms, owners, number) for measure in measures]
    drawn: list[list[np.ndarray]] = [[] for _ in measures]
    for weights in _weights(number, bootstrap) if number else ():
        for measure, own, values in zip(measures, sums, drawn, strict=True):
            runs, _, k = own.shape
            resampled = weights @ own.transpose(1, 0, 2).reshape(number, runs * k)
            values.append(_mean(measure.of(resampled.reshape(-1, runs, k))))
    return [_estimate(m.of(own.sum(axis=1)), values) for m, own, values in zip(measures, sums, drawn, strict=True)]


def _per_patient(terms: np.ndarray, owners: np.ndarray, number: int) -> np.ndarray:
    """Sums [runs, patients, k] of terms [runs, stays, k]."""
    found = np.zeros((terms.shape[0], number, terms.shape[2]))
    for run, own in enumerate(terms):
        np.add.at(found[run], owners, own)
    return found


def _weights(number: int, bootstrap: Bootstrap) -> Iterator[np.ndarray]:
    """How often each resample has each patient [resamples, patients]."""
    generator = np.random.default_rng(bootstrap.seed)
    for start in range(0, bootstrap.replicates, TOGETHER):
        size = min(TOGETHER, bootstrap.replicates - start)
        picks = generator.integers(number, size=(size, number)) + np.arange(size)[:, None] * number
        yield np.bincount(picks.ravel(), minlength=size * number).reshape(size, number).astype(float)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the runs, the last axis; NaN unless all have a value."""
    return values.mean(axis=-1)


def _estimate(values: np.ndarray, drawn: list[np.ndarray]) -> Estimate:
    """From the values of the runs [runs], and the means over them of all resamples."""
    if not len(values) or np.isnan(values).any() or not drawn:
        return NOTHING
    known = np.concatenate(drawn)
    known = known[~np.isnan(known)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return Estimate(float(values.mean()), std, _number(low), _number(high))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
