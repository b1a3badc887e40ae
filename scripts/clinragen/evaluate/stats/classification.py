"""Precision, recall and F1 from counts, for any number of runs or resampled test splits at once.

A quotient with denominator 0 is 0, as with scikit-learn's `zero_division=0` (ambiguity 25).
"""

import numpy as np

METRICS = ("precision", "recall", "f1")


def by_phenotype(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of each phenotype [..., phenotypes] by metric.

    The arguments [..., phenotypes] count samples whose phenotype is true and predicted, predicted, and true.
    """
    return {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, true),
        "f1": ratio(2 * hits, predicted + true),
    }


def averaged(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Return scores [...] by average and metric, from the same counts as `by_phenotype`.

    micro divides sums over the phenotypes; macro is the unweighted mean of the phenotypes' scores.
    """
    micro = by_phenotype(*(counts.sum(axis=-1) for counts in (hits, predicted, true)))
    each = by_phenotype(hits, predicted, true)
    return {("micro", metric): value for metric, value in micro.items()} | {
        ("macro", metric): value.mean(axis=-1) for metric, value in each.items()
    }


def ratio(of: np.ndarray, all_of: np.ndarray) -> np.ndarray:
    """Return the quotient in double precision, 0 where the denominator is 0."""
    of, all_of = np.broadcast_arrays(of, all_of)
    return np.divide(of, all_of, out=np.zeros(of.shape), where=all_of > 0, dtype=np.float64)
