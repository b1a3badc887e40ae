"""Precision, recall and F1 over the 25 phenotypes."""

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.evaluate.outcomes import count_outcomes
from clinragen.evaluate.runs import marked
from clinragen.evaluate.stats.classification import averaged
from clinragen.schemas.evaluate import SCORES


def score(predictions: pa.Table, phenotypes: list[str], dataset: str, model: str, seed: int | None) -> pa.Table:
    """Return micro and macro scores of one run (SCORES); a phenotype never predicted has precision 0 (ambiguity 25).

    `seed` is None for a model that is not trained. Raises UserError if the model was given the diagnoses.
    """
    if predictions["readable"].null_count:
        raise UserError(f"{model} was given the diagnoses (asked.<name>.question.given_diagnoses): no scores")
    true, predicted = (marked(predictions[column].to_pylist(), phenotypes) for column in ("true", "predicted"))
    counts = count_outcomes(predictions)
    common = {"dataset": dataset, "model": model, "seed": seed, "samples": counts.pop("outputs")} | counts
    scores = averaged((true & predicted).sum(axis=0), predicted.sum(axis=0), true.sum(axis=0))
    rows = [
        common | {"average": average, "metric": metric, "value": float(value)}
        for (average, metric), value in scores.items()
    ]
    return pa.Table.from_pylist(rows, schema=SCORES.schema)
