"""Precision, recall and F1 over the 25 phenotypes."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from clinragen.errors import UserError
from clinragen.evaluate.outcomes import count_outcomes
from clinragen.schemas.evaluate import SCORES


def score(predictions: pa.Table, phenotypes: list[str], dataset: str, model: str, seed: int | None) -> pa.Table:
    """Micro and macro scores of one run (SCORES). A phenotype never predicted has precision 0 (ambiguity 25).

    `seed` is None for what is not trained. UserError if the model was given the diagnoses.
    """
    if predictions["readable"].null_count:
        raise UserError(f"{model} was given the diagnoses (asked.<name>.question.given_diagnoses): no scores")
    true, predicted = (list(map(set, predictions[column].to_pylist())) for column in ("true", "predicted"))
    hits = _counts((t & p for t, p in zip(true, predicted, strict=True)), phenotypes)
    parts = {"precision": (hits, _counts(predicted, phenotypes)), "recall": (hits, _counts(true, phenotypes))}
    counts = count_outcomes(predictions)
    samples = counts.pop("outputs")
    parts["f1"] = (2 * hits, parts["precision"][1] + parts["recall"][1])
    rows = []
    for average in ("micro", "macro"):
        for metric, (of, all_of) in parts.items():
            value = _ratio(of.sum(), all_of.sum()) if average == "micro" else _ratio(of, all_of).mean()
            row = {"dataset": dataset, "model": model, "seed": seed, "average": average, "metric": metric}
            rows.append(row | {"value": float(value), "samples": samples} | counts)
    return pa.Table.from_pylist(rows, schema=SCORES.schema)


def _counts(names: Iterable[set[str]], phenotypes: list[str]) -> np.ndarray:
    """How many of the sets hold each phenotype."""
    found = Counter(name for each in names for name in each)
    return np.array([found[phenotype] for phenotype in phenotypes])


def _ratio(of: np.ndarray, all_of: np.ndarray) -> np.ndarray:
    """Quotient, 0 where there is nothing to divide by."""
    return np.where(all_of > 0, of / np.maximum(all_of, 1), 0.0)
