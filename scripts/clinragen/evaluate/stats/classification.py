"""Precision, recall and F1 from counts, for any number of runs or resampled test splits at once.

A quotient whose denominator is 0 counts as 0, as with scikit-learn's `zero_division=0` (ambiguity 25).
"""

import numpy as np

AVERAGES = ("micro", "macro")
METRICS = ("precision", "recall", "f1")


def by_phenotype(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of each phenotype from the numbers of samples.

    Samples with the phenotype both true and predicted, predicted, and true; arrays [..., phenotypes] that broadcast
    with each other, as do the scores.
    """
    return {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, true),
        "f1": ratio(2 * hits, predicted + true),
    }


def averaged(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Scores [...] by average and metric, from the same counts [..., phenotypes].

    micro divides the sums over the phenotypes; macro is the unweighted mean of the phenotypes' own scores.
    """
    summed = by_phenotype(*(counts.sum(axis=-1) for counts in (hits, predicted, true)))
    found = {("micro", metric): value for metric, value in summed.items()}
    each = by_phenotype(hits, predicted, true)
    return found | {("macro", metric): value.mean(axis=-1) for metric, value in each.items()}


def ratio(of: np.ndarray, all_of: np.ndarray) -> np.ndarray:
    """Quotient in double precision, 0 where there is nothing to divide by."""
    of, all_of = np.broadcast_arrays(of, all_of)
    return np.divide(of, all_of, out=np.zeros(of.shape), where=all_of > 0, dtype=np.float64)
