"""Settings of stage knowledge."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class PubMed(Section):
    """Retrieval through NCBI's E-utilities."""

    endpoint: str
    """Base URL of the E-utilities. A change reruns nothing."""
    email: str
    """Your address, which NCBI asks for; neither log nor record tells it. Empty: the variable ENTREZ_EMAIL."""
    documents: int = Field(ge=1)
    """Abstracts retrieved per phenotype, by relevance."""


class Wikipedia(Section):
    """Retrieval through the MediaWiki API."""

    endpoint: str
    """Address of the API. A change reruns nothing."""
    documents: int = Field(ge=1)
    """Articles retrieved per phenotype."""


class Terms(Section):
    """Extraction of key terms by the language model."""

    batch: int = Field(ge=1)
    """Documents added per round."""
    stable_rounds: int = Field(ge=1)
    """Stop after so many rounds without a new term."""
    max_terms: int = Field(ge=1)
    """Most terms asked for per document."""
    max_characters: int = Field(ge=100)
    """Longest part of a document that the model sees, from its beginning."""


class Knowledge(Section):
    """From phenotype names to the vocabulary V^k."""

    source: Literal["online", "offline"]
    """online: PubMed and Wikipedia; offline: the authored stand-ins in resources/knowledge."""
    pubmed: PubMed
    """PubMed."""
    wikipedia: Wikipedia
    """Wikipedia."""
    terms: Terms
    """Term extraction."""
