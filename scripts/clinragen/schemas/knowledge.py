"""Tables of stage knowledge."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

TAKEN = pa.timestamp("s", tz="UTC")

DOCUMENTS = Table(
    "documents",
    (
        Column("phenotype", pa.string(), "phenotype that was searched for"),
        Column("source", pa.string(), "pubmed or wikipedia"),
        Column("identifier", pa.string(), "PMID, Bookshelf accession number, or page id of Wikipedia"),
        Column("rank", pa.int32(), "rank in the search result, from 1"),
        Column("title", pa.string(), "title"),
        Column("text", pa.string(), "abstract or article"),
        Column("revision", pa.string(), "revision id (Wikipedia), date of the last revision (PubMed)", nullable=True),
        Column("published", pa.string(), "ISO date of publication or revision, as precise as known", nullable=True),
        Column("taken", TAKEN, "when the service sent the text; null for an authored one", nullable=True),
        Column("query", pa.string(), "what the service was asked", nullable=True),
        Column("url", pa.string(), "where to read it", nullable=True),
        Column("licence", pa.string(), "note on its licence", nullable=True),
    ),
    key=("phenotype", "source", "identifier"),
)

TERMS = Table(
    "terms",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("term", pa.string(), "key term, lower case"),
        Column("source", pa.string(), "pubmed or wikipedia"),
        Column("identifier", pa.string(), "document in which the term was found first"),
        Column("round", pa.int32(), "round of extraction that brought it, from 1"),
    ),
    key=("phenotype", "term"),
)
