"""Settings of stage knowledge."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class PubMed(Section):
    """Retrieval through NCBI's E-utilities."""

    endpoint: str
    """Base URL of the E-utilities. A change reruns nothing."""
    email: str
    """Your e-mail address, required by NCBI; never logged or recorded. Empty: the variable ENTREZ_EMAIL."""
    documents: int = Field(ge=1)
    """Abstracts retrieved per phenotype, by relevance."""


class Wikipedia(Section):
    """Retrieval through the MediaWiki API."""

    endpoint: str
    """URL of the API. A change reruns nothing."""
    documents: int = Field(ge=1)
    """Articles retrieved per phenotype."""


class Terms(Section):
    """Extraction of key terms by a language model."""

    llm: str
    """A key of `llms`."""
    batch: int = Field(ge=1)
    """Documents added in each round."""
    stable_rounds: int = Field(ge=1)
    """Stop after this many rounds without a new term."""
    max_terms: int = Field(ge=1)
    """Maximum number of terms requested per document."""
    max_characters: int = Field(ge=100)
    """Number of leading characters of a document that the model reads."""


class Knowledge(Section):
    """From phenotype names to the vocabulary V^k."""

    source: Literal["online", "offline"]
    """online: PubMed and Wikipedia; offline: the authored texts in resources/knowledge, a stand-in."""
    pubmed: PubMed
    """PubMed."""
    wikipedia: Wikipedia
    """Wikipedia."""
    terms: Terms
    """Term extraction."""
