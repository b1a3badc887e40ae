"""Counting what each step of a retrieval leaves over."""

from collections import Counter

import pyarrow as pa

from clinragen.schemas.attrition import Attrition


class Steps:
    """How many documents each step of a retrieval leaves, over all phenotypes."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, step: str, number: int) -> None:
        """Count the documents of one phenotype that a step leaves."""
        self._counts[step] += number

    def table_of(self, source: str) -> pa.Table:
        """The steps in the order in which they were first added, as an ATTRITION table, and in the log."""
        attrition = Attrition(source)
        for step, number in self._counts.items():
            attrition.add(step, rows=number)
        return attrition.to_table()
