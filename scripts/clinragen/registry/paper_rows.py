"""Which part of the configuration is a row of the paper's tables (resources/paper_rows.csv)."""

import csv
from dataclasses import dataclass
from pathlib import Path

PAPER_ROWS = Path("resources/paper_rows.csv")


@dataclass(frozen=True)
class PaperRow:
    """A row of one of the paper's tables, the key of the configuration that makes it, and the file with that key."""

    table: int
    model: str
    key: str
    file: str


def read_paper_rows(path: Path, table: int) -> list[PaperRow]:
    """Rows of one of the paper's tables, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [PaperRow(int(r["table"]), r["model"], r["key"], r["file"]) for r in csv.DictReader(file)]
    return [row for row in rows if row.table == table]
