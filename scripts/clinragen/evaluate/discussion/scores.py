"""Scores of rows and their differences, on the same resampled patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinragen.evaluate.discussion.resample import Patients
from clinragen.evaluate.paper.evidence import Estimate
from clinragen.evaluate.stats.classification import averaged, ratio

ALL = "all"
"""The group of all patients."""
METRICS = {"micro F1": ("micro", "f1"), "macro F1": ("macro", "f1")}


@dataclass(frozen=True)
class Row:
    """A row, of the paper's tables or not, with the predictions of all its runs."""

    name: str
    predicted: np.ndarray
    """Booleans [runs, samples, phenotypes]."""


def outcomes(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count true, predicted, and both true and predicted phenotypes: [samples, runs, 3]."""
    parts = [np.broadcast_to(true, predicted.shape), predicted, predicted & true]
    return np.moveaxis(np.stack([part.sum(axis=2) for part in parts], axis=-1), 0, 1).astype(np.int32)


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Return micro F1 [...] from counts [..., 3] of `outcomes`; 0 if nothing is true or predicted."""
    return ratio(2 * counts[..., 2], counts[..., 0] + counts[..., 1])


def scores(question: str, true: np.ndarray, row: Row, patients: Patients, group: str = ALL) -> list[dict[str, Any]]:
    """Return rows of DISCUSSION: F1 of a row, mean over its runs."""
    return _rows(question, row.name, group, _compared(true, [row], patients), "{}", true)


def differences(
    question: str, true: np.ndarray, row: Row, other: Row, patients: Patients, measure: str, group: str = ALL
) -> list[dict[str, Any]]:
    """Return rows of DISCUSSION: F1 of a row minus that of another; `{}` in `measure` is the name of the score."""
    compared = _compared(true, [row, other], patients)
    return _rows(question, row.name, group, compared[-len(METRICS) :], measure, true)


def _compared(true: np.ndarray, rows: Sequence[Row], patients: Patients) -> list[Estimate]:
    """Return micro and macro F1 of each of one or two rows, then those of the first minus the last."""
    runs = np.concatenate([row.predicted for row in rows])
    ends = np.cumsum([len(row.predicted) for row in rows])[:-1]
    columns = np.concatenate([true, *(np.concatenate([run & true, run], axis=1) for run in runs)], axis=1)
    phenotypes = true.shape[1]

    def statistic(sums: np.ndarray) -> np.ndarray:
        parts = sums[:, phenotypes:].reshape(len(sums), len(runs), 2, phenotypes)
        f1 = averaged(parts[:, :, 0], parts[:, :, 1], sums[:, None, :phenotypes])
        values = np.stack([f1[metric] for metric in METRICS.values()], axis=-1)  # [n, runs, metrics]
        means = [part.mean(axis=1) for part in np.split(values, ends, axis=1)]
        return np.concatenate([*means, means[0] - means[-1]], axis=1)

    return patients.estimate(columns.astype(np.int32), statistic)


def _rows(
    question: str, model: str, group: str, estimates: Sequence[Estimate], measure: str, true: np.ndarray
) -> list[dict[str, Any]]:
    about = {"question": question, "model": model, "group": group, "n": len(true)}
    return [
        about | {"measure": measure.format(metric)} | estimate._asdict()
        for metric, estimate in zip(METRICS, estimates, strict=False)
    ]
