"""Quotients of sums over the test split, with intervals over resampled patients."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.paper.evidence import Estimate
from clinragen.evaluate.stats.bootstrap import interval, replicate, sums_of_patients


@dataclass(frozen=True)
class Patients:
    """The patients of the test samples, and how they are resampled; all estimates use the same draws."""

    subjects: np.ndarray
    settings: Bootstrap

    def estimate(self, columns: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> list[Estimate]:
        """Return the values of a statistic with their 95 % intervals.

        `columns` [samples, columns] are summed over samples; `statistic` maps sums [n, columns] to values [n, values].
        """
        sums = sums_of_patients(columns, self.subjects)
        values = statistic(sums.sum(axis=0, keepdims=True).astype(np.float64))[0]
        low, high = interval(replicate(sums, statistic, self.settings.replicates, self.settings.seed))
        return [Estimate(*(round(float(number), 9) for number in each)) for each in zip(values, low, high, strict=True)]

    def behind(self, samples: np.ndarray) -> set[int]:
        """Return the patients of the samples that are true in `samples` [samples]."""
        return set(self.subjects[samples].tolist())
