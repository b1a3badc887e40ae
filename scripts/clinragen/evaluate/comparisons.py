"""The pairs of rows of tables 1 and 2 that are compared."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clinragen.config.rows import is_of_parts


@dataclass(frozen=True)
class Pair:
    """Two rows; the difference is the score of `model` minus that of `other`."""

    model: str
    other: str

    @property
    def rows(self) -> frozenset[str]:
        """Both rows, in no order."""
        return frozenset((self.model, self.other))


def read_pairs(path: Path) -> list[Pair]:
    """Return the pairs of resources/paper_comparisons.csv, first the row that the paper favours."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Pair(row["model"], row["other"]) for row in csv.DictReader(file)]


def pairs_of(rows: Iterable[str], reference: str, paper: Iterable[Pair]) -> list[Pair]:
    """Pair the reference with every other row that has runs, and add the paper's own pairs, each pair once.

    The reference is paired with a row that is only in table 6 if the paper does so.
    """
    present = list(rows)
    stated = [pair for pair in paper if pair.rows <= set(present)]
    own = (
        [Pair(reference, row) for row in present if row != reference and not is_of_parts(row)]
        if reference in present
        else []
    )
    taken = {pair.rows for pair in stated}
    return [*(pair for pair in own if pair.rows not in taken), *stated]
