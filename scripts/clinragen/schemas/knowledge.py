"""Tables of stage knowledge."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

DOCUMENTS = Table(
    "documents",
    (
        Column("phenotype", pa.string(), "phenotype that was searched for"),
        Column("source", pa.string(), "pubmed or wikipedia"),
        Column("identifier", pa.string(), "PMID or article title"),
        Column("rank", pa.int32(), "rank in the search result, from 1"),
        Column("title", pa.string(), "title"),
        Column("text", pa.string(), "abstract or article"),
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
