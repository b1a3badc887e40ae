"""Quotients of sums over the test split, with intervals over resampled patients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.stats.bootstrap import interval, replicate, sums_of_patients


class Estimate(NamedTuple):
    """A value and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Patients:
    """Whose the test samples are, and how patients are drawn; all estimates draw the same ones."""

    subjects: np.ndarray
    settings: Bootstrap

    def estimate(self, columns: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> list[Estimate]:
        """Values of a statistic with their intervals.

        `columns` [samples, columns] are added up over samples; `statistic` turns sums [n, columns] into values
        [n, values].
        """
        sums = sums_of_patients(columns, self.subjects)
        values = statistic(sums.sum(axis=0, keepdims=True).astype(np.float64))[0]
        low, high = interval(replicate(sums, statistic, self.settings.replicates, self.settings.seed))
        return [Estimate(*(round(float(number), 9) for number in each)) for each in zip(values, low, high, strict=True)]

    def behind(self, samples: np.ndarray) -> set[int]:
        """The patients of these samples; booleans [samples]."""
        return set(self.subjects[samples].tolist())
