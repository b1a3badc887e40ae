"""The floor: what is scored by whoever learns nothing, as predictions on the test split (PREDICTIONS)."""

import logging
from collections import Counter

import pyarrow as pa

from clinragen.benchmark.leakage import named_in, phrases
from clinragen.config.benchmark import Course
from clinragen.errors import UserError
from clinragen.schemas.evaluate import PREDICTIONS, row_without_text

log = logging.getLogger("benchmark")


def predict_majority(labels: pa.Table, samples: pa.Table, phenotypes: list[str]) -> pa.Table:
    """The same phenotypes for all, those of `most_frequent` in the training split."""
    true = _phenotypes(labels)
    chosen = most_frequent([true[stay] for stay in _stays(samples, "train")], phenotypes)
    log.info("named for every stay: %s", ", ".join(chosen) or "nothing")
    rows = [row_without_text(stay, chosen, true[stay]) for stay in _stays(samples, "test")]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)


def most_frequent(true: list[list[str]], phenotypes: list[str]) -> list[str]:
    """The k most frequent phenotypes, with the k of the highest micro F1, in the benchmark's order.

    No other set that is the same for all samples has a higher one. UserError without samples.
    """
    if not true:
        raise UserError(
            "no training samples, so there is no majority; the tables benchmark/attrition*.csv say where they are lost"
        )
    counts = Counter(name for names in true for name in names)
    ranked = sorted(phenotypes, key=lambda name: -counts[name])
    total, hits, scores = counts.total(), 0, [0.0]
    for k, name in enumerate(ranked, 1):
        hits += counts[name]
        scores.append(2 * hits / (k * len(true) + total))
    return sorted(ranked[: scores.index(max(scores))], key=phenotypes.index)


def predict_names(
    courses: pa.Table,
    labels: pa.Table,
    samples: pa.Table,
    phenotypes: list[str],
    settings: Course,
    stop_words: frozenset[str],
) -> pa.Table:
    """The phenotypes that the hospital course names, as `leakage` finds them: nothing is understood, no negation."""
    true, texts = _phenotypes(labels), dict(zip(*(courses[c].to_pylist() for c in ("stay_id", "text")), strict=True))
    names = {name: phrases(name, settings, stop_words) for name in phenotypes}
    rows = [row_without_text(stay, named_in(texts[stay], names), true[stay]) for stay in _stays(samples, "test")]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)


def _phenotypes(labels: pa.Table) -> dict[int, list[str]]:
    return dict(zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True))


def _stays(samples: pa.Table, split: str) -> list[int]:
    pairs = zip(samples["stay_id"].to_pylist(), samples["split"].to_pylist(), strict=True)
    return sorted(stay for stay, of in pairs if of == split)
