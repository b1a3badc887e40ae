"""Precision, recall and F1 over the 25 phenotypes."""

import pyarrow as pa
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from clinragen.errors import UserError
from clinragen.schemas.evaluate import SCORES


def score(predictions: pa.Table, phenotypes: list[str], dataset: str, model: str, seed: int | None) -> pa.Table:
    """Micro and macro scores of one run (SCORES). A phenotype never predicted has precision 0 (ambiguity 25).

    `seed` is None for a model that is asked. UserError if the model was given the diagnoses.
    """
    readable = predictions["readable"].to_pylist()
    if None in readable:
        raise UserError(f"{model} was given the diagnoses (asked.<name>.question.given_diagnoses): no scores")
    binarizer = MultiLabelBinarizer(classes=phenotypes)
    true = binarizer.fit_transform(predictions["true"].to_pylist())
    predicted = binarizer.transform(predictions["predicted"].to_pylist())
    rows = []
    for average in ("micro", "macro"):
        values = precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        for metric, value in zip(("precision", "recall", "f1"), values, strict=False):
            row = {"dataset": dataset, "model": model, "seed": seed, "average": average, "metric": metric}
            rows.append(row | {"value": float(value), "samples": len(readable), "unreadable": readable.count(False)})
    return pa.Table.from_pylist(rows, schema=SCORES.schema)
