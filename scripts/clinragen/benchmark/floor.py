"""The floor: predictions on the test split that need no training (PREDICTIONS)."""

import logging
from collections import Counter

import pyarrow as pa

from clinragen.benchmark.names import NameSearch
from clinragen.errors import UserError
from clinragen.schemas.predictions import PREDICTIONS, row_without_text

log = logging.getLogger("benchmark")


def predict_majority(labels: pa.Table, samples: pa.Table, phenotypes: list[str]) -> pa.Table:
    """Predict the same phenotypes for every stay: those of `most_frequent` in the training split."""
    true = _phenotypes(labels)
    majority = most_frequent([true[stay] for stay in _stays(samples, "train")], phenotypes)
    log.info("named for every stay: %s", ", ".join(majority) or "nothing")
    rows = [row_without_text(stay, majority, true[stay]) for stay in _stays(samples, "test")]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)


def most_frequent(true: list[list[str]], phenotypes: list[str]) -> list[str]:
    """Return the k most frequent phenotypes, with the k of the highest micro F1, in the benchmark's order.

    No other set that is the same for all samples has a higher one. UserError without samples.
    """
    if not true:
        raise UserError(
            "no training samples, so the majority is undefined; benchmark/attrition*.csv show where they were lost"
        )
    counts = Counter(name for names in true for name in names)
    ranked = sorted(phenotypes, key=lambda name: -counts[name])
    total, hits, scores = counts.total(), 0, [0.0]
    for k, name in enumerate(ranked, 1):
        hits += counts[name]
        scores.append(2 * hits / (k * len(true) + total))
    return sorted(ranked[: scores.index(max(scores))], key=phenotypes.index)


def predict_names(courses: pa.Table, labels: pa.Table, samples: pa.Table, search: NameSearch) -> pa.Table:
    """Predict the phenotypes that the hospital course names."""
    true, texts = _phenotypes(labels), dict(zip(*(courses[c].to_pylist() for c in ("stay_id", "text")), strict=True))
    rows = [row_without_text(stay, search.named_in(texts[stay]), true[stay]) for stay in _stays(samples, "test")]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)


def _phenotypes(labels: pa.Table) -> dict[int, list[str]]:
    return dict(zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True))


def _stays(samples: pa.Table, split: str) -> list[int]:
    pairs = zip(samples["stay_id"].to_pylist(), samples["split"].to_pylist(), strict=True)
    return sorted(stay for stay, of in pairs if of == split)
