"""Settings of stage knowledge."""

from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from clinragen.config.base import Section


class PubMed(Section):
    """Retrieval through NCBI's E-utilities."""

    endpoint: str
    """Base URL of the E-utilities, or of a mirror. A change reruns nothing."""
    email: str
    """Your e-mail address, which NCBI and Wikimedia require; never logged or recorded. Empty: that of ENTREZ_EMAIL."""
    documents: int = Field(ge=1)
    """Abstracts retrieved per phenotype, by relevance."""


class Wikipedia(Section):
    """Retrieval through the MediaWiki API."""

    endpoint: str
    """URL of the API of the English Wikipedia, or of a mirror. A change reruns nothing."""
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
    refresh: str | None
    """A date (YYYY-MM-DD, UTC): responses taken before it are fetched again, once; null: stored responses stay."""
    pubmed: PubMed
    """PubMed."""
    wikipedia: Wikipedia
    """Wikipedia."""
    terms: Terms
    """Term extraction."""

    @field_validator("refresh", mode="before")
    @classmethod
    def _date(cls, value: Any) -> Any:
        """An ISO date, which YAML reads as a date unless it is quoted."""
        if value is None:
            return None
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            raise ValueError(f"{value!r} is not a date; write it like 2026-11-25") from None
        if day > datetime.now(UTC).date():
            raise ValueError(f"{day} is in the future (UTC); set it to today or an earlier date")
        return day.isoformat()
