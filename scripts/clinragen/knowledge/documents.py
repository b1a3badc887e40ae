"""Queries and documents of PubMed and Wikipedia."""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.schemas.knowledge import DOCUMENTS


@dataclass(frozen=True)
class Document:
    """One retrieved text; `rank` counts from 1 in the order of relevance. The other fields are those of DOCUMENTS."""

    phenotype: str
    source: str
    identifier: str
    rank: int
    title: str
    text: str
    revision: str | None = None
    published: str | None = None
    taken: datetime | None = None
    query: str | None = None
    url: str | None = None
    licence: str | None = None


def read_queries(path: Path, source: str) -> dict[str, str]:
    """Read the query per phenotype, from resources/knowledge/queries.csv; `source` names the column."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    empty = [row["phenotype"] for row in rows if not (row.get(source) or "").strip()]
    if not rows or empty:
        raise UserError(f"{path}: column {source} is empty for {empty or 'all phenotypes'}")
    return {row["phenotype"]: row[source].strip() for row in rows}


def table_of(documents: list[Document]) -> pa.Table:
    """Return the documents as a table (DOCUMENTS)."""
    return pa.Table.from_pylist([vars(d) for d in documents], schema=DOCUMENTS.schema)


def documents_of(table: pa.Table) -> list[Document]:
    """Return the documents of a table (DOCUMENTS)."""
    return [Document(**row) for row in table.to_pylist()]
