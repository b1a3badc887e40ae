"""How outputs ended, and what could not be read in them."""

import logging
from collections import Counter

import pyarrow as pa

from clinragen.disclosure import SMALLEST_SHOWN

log = logging.getLogger("predict")
MOST_NAMED = 10


def count_outcomes(predictions: pa.Table) -> dict[str, int]:
    """Count outputs (PREDICTIONS), cut ones, those without readable diagnoses, and names that are not phenotypes."""
    return {
        "outputs": predictions.num_rows,
        "cut": predictions["end"].to_pylist().count("limit"),
        "unreadable": predictions["readable"].to_pylist().count(False),
        "unknown": sum(map(len, predictions["unknown"].to_pylist())),
    }


def frequent_unknown_names(predictions: pa.Table) -> list[tuple[str, int]]:
    """Return the most frequent names that are not phenotypes, with the number of outputs that have them.

    Names in few outputs are left out, because they may come from the notes.
    """
    names = Counter(name for row in predictions["unknown"].to_pylist() for name in set(row))
    return [(name, n) for name, n in names.most_common(MOST_NAMED) if n >= SMALLEST_SHOWN]


def report(predictions: pa.Table) -> set[str]:
    """Log how the outputs ended and what could not be read; return the counts as values of a fact."""
    ends = Counter(f"ended by {end}" for end in predictions["end"].to_pylist() if end)
    counts = count_outcomes(predictions)
    counted = {"outputs": counts["outputs"], **dict(sorted(ends.items()))}
    counted |= {"without readable diagnoses": counts["unreadable"], "names that are no phenotype": counts["unknown"]}
    log.info("%s", ", ".join(f"{what}: {number}" for what, number in counted.items()))
    for name, number in frequent_unknown_names(predictions):
        log.info("no phenotype, in %d outputs: %s", number, name)
    return {f"{what}: {number}" for what, number in counted.items()}
