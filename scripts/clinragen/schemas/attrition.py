"""Attrition: the rows that remain after each step of a stage."""

import logging
from typing import Any

import pyarrow as pa

from clinragen.schemas.extract import ATTRITION

log = logging.getLogger("attrition")


class Attrition:
    """Steps of one table in their order; counts that do not apply to it stay empty."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.steps: list[dict[str, Any]] = []

    def add(self, step: str, **counts: int) -> None:
        """Add a step with any of the counts stays, admissions, subjects, rows."""
        self.steps.append({"table": self.table, "order": len(self.steps) + 1, "step": step, **counts})
        shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count is not None)
        log.info("%s, %s: %s", self.table, step, shown)

    def to_table(self) -> pa.Table:
        """Return the steps as an ATTRITION table."""
        columns = {name: [s.get(name) for s in self.steps] for name in ATTRITION.schema.names}
        return pa.table(columns, schema=ATTRITION.schema)
