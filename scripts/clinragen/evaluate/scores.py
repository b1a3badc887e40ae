"""Precision, recall and F1 over the 25 phenotypes."""

import pyarrow as pa
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from clinragen.schemas.evaluate import SCORES


def score(predictions: pa.Table, phenotypes: list[str], dataset: str, model: str, seed: int) -> pa.Table:
    """Micro and macro scores of one run (SCORES). A phenotype never predicted has precision 0 (ambiguity 25)."""
    binarizer = MultiLabelBinarizer(classes=phenotypes)
    true = binarizer.fit_transform(predictions["true"].to_pylist())
    predicted = binarizer.transform(predictions["predicted"].to_pylist())
    rows = []
    for average in ("micro", "macro"):
        values = precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        for metric, value in zip(("precision", "recall", "f1"), values, strict=False):
            row = {"dataset": dataset, "model": model, "seed": seed, "average": average, "metric": metric}
            rows.append(row | {"value": float(value), "samples": predictions.num_rows})
    return pa.Table.from_pylist(rows, schema=SCORES.schema)
