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
        Column("query", pa.string(), "query sent to the service", nullable=True),
        Column("url", pa.string(), "address of the document", nullable=True),
        Column("licence", pa.string(), "note on its licence", nullable=True),
    ),
    key=("phenotype", "source", "identifier"),
)

MENTIONS = Table(
    "mentions",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("term", pa.string(), "term that all its wordings share: lower case, singular, abbreviations expanded"),
        Column("form", pa.string(), "wording in the document, lower case"),
        Column("source", pa.string(), "pubmed or wikipedia"),
        Column("identifier", pa.string(), "document that contains it"),
        Column("round", pa.int32(), "round of extraction that read the document, from 1"),
    ),
    key=("phenotype", "form", "source", "identifier"),
)

TERMS = Table(
    "terms",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("term", pa.string(), "key term that all its wordings share"),
        Column("rank", pa.int32(), "rank among the terms of the phenotype, from 1: most documents first, then by name"),
        Column("forms", pa.list_(pa.string()), "its wordings in the documents"),
        Column("documents", pa.int32(), "documents of the phenotype that contain it"),
        Column("pubmed", pa.int32(), "those from PubMed"),
        Column("wikipedia", pa.int32(), "those from Wikipedia"),
        Column("round", pa.int32(), "round of extraction that found it first, from 1"),
    ),
    key=("phenotype", "term"),
)

TERM_LISTS = Table(
    "term_lists",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("number", pa.int32(), "number of its key terms"),
        Column("terms", pa.string(), "all of them by rank, with semicolons between"),
    ),
    key=("phenotype",),
)

ANSWERS = Table(
    "answers",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("source", pa.string(), "pubmed or wikipedia"),
        Column("identifier", pa.string(), "document that the model was shown"),
        Column("round", pa.int32(), "round of extraction, from 1"),
        Column("request", pa.string(), "hash of the request in the journal"),
        Column("status", pa.string(), "good, flawed (fails a check), refused, filtered or empty"),
        Column("problems", pa.string(), "problems that the checks report", nullable=True),
    ),
    key=("phenotype", "source", "identifier"),
)

CONVERGENCE = Table(
    "convergence",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("round", pa.int32(), "round of extraction, from 1"),
        Column("documents", pa.int32(), "documents seen so far"),
        Column("terms", pa.int32(), "different terms so far"),
        Column("new", pa.int32(), "terms that are new in this round"),
        Column("top", pa.int32(), "terms that are compared: the first in rank"),
        Column("jaccard", pa.float64(), "Jaccard index of these and those of the round before", nullable=True),
        Column("stable", pa.bool_(), "whether the extraction stopped here because the terms are stable"),
        Column("without_terms", pa.int32(), "documents so far whose answer gave no term"),
        Column(
            "reasons",
            pa.string(),
            "their number by reason: refused, filtered, empty (no answer), flawed (unusable), none named",
            nullable=True,
        ),
    ),
    key=("phenotype", "round"),
)

COVERAGE = Table(
    "vocabulary_coverage",
    (
        Column("phenotype", pa.string(), "phenotype, or all"),
        Column("terms", pa.int32(), "key terms"),
        Column("tokens", pa.int32(), "tokens of V^k that occur in them"),
        Column("only", pa.int32(), "tokens that occur in no other phenotype"),
        Column("share", pa.float64(), "share of V^k"),
        Column(
            "jaccard_mean", pa.float64(), "mean Jaccard index with the tokens of each other phenotype", nullable=True
        ),
        Column("jaccard_max", pa.float64(), "highest Jaccard index with another phenotype", nullable=True),
        Column("nearest", pa.string(), "phenotype with the highest index", nullable=True),
        Column("as_printed", pa.int32(), "tokens with all pieces kept (equation 5)"),
        Column("stop_word_pieces", pa.int32(), "those that spell a stop word of two or more letters"),
        Column("one_letter_pieces", pa.int32(), "those of at most one character"),
        Column("without_both", pa.int32(), "tokens with neither kind of piece"),
    ),
    key=("phenotype",),
)

SOURCES = Table(
    "sources",
    (
        Column("unit", pa.string(), "terms, or tokens of a language model"),
        Column("phenotype", pa.string(), "phenotype, or all: each term or token once"),
        Column("pubmed_only", pa.int32(), "found in PubMed only"),
        Column("wikipedia_only", pa.int32(), "found in Wikipedia only"),
        Column("both", pa.int32(), "found in both"),
        Column("jaccard", pa.float64(), "share of both among all"),
    ),
    key=("unit", "phenotype"),
)
