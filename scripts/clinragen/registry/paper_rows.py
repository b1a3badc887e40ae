"""Rows of the paper's tables and their configuration keys (resources/paper_rows.csv)."""

import csv
from dataclasses import dataclass
from pathlib import Path

PAPER_ROWS = Path("resources/paper_rows.csv")


@dataclass(frozen=True)
class PaperRow:
    """A row of one of the paper's tables, its configuration key, and the file with that key.

    `demo` is the file with which a demo has the row; a rehearsal has all.
    """

    table: int
    model: str
    key: str
    file: str
    demo: str


def read_paper_rows(path: Path, table: int) -> list[PaperRow]:
    """Return the rows of one of the paper's tables, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [PaperRow(int(r["table"]), r["model"], r["key"], r["file"], r["demo"]) for r in csv.DictReader(file)]
    return [row for row in rows if row.table == table]
