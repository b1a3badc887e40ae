"""Which rows of tables 1 and 2 are compared with which."""

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
        """Both rows, whichever comes first."""
        return frozenset((self.model, self.other))


def read_pairs(path: Path) -> list[Pair]:
    """The comparisons of resources/paper_comparisons.csv, in favour of the row that the paper puts first."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Pair(row["model"], row["other"]) for row in csv.DictReader(file)]


def pairs_of(rows: Iterable[str], reference: str, paper: Iterable[Pair]) -> list[Pair]:
    """The reference with every other of the rows that have runs, then the paper's further pairs of them, each once.

    With rows that are only in table 6 the reference is compared where the paper does.
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
