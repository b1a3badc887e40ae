"""Counts of the documents that remain after each step of a retrieval."""

from collections import Counter

import pyarrow as pa

from clinragen.schemas.attrition import Attrition


class Steps:
    """Number of documents that remain after each step of a retrieval, over all phenotypes."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, step: str, number: int) -> None:
        """Count the documents of one phenotype that a step leaves."""
        self._counts[step] += number

    def table_of(self, source: str) -> pa.Table:
        """Return the steps in the order in which they were first added (ATTRITION), and log them."""
        attrition = Attrition(source)
        for step, number in self._counts.items():
            attrition.add(step, rows=number)
        return attrition.to_table()
