"""Settings of stage knowledge."""

from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from clinragen.config.base import Section


class PubMed(Section):
    """Retrieval through NCBI's E-utilities."""

    endpoint: str
    """Base URL of the E-utilities or a mirror. A change reruns nothing."""
    email: str
    """Your e-mail address, required by NCBI and Wikimedia; not logged or recorded. Empty: that in ENTREZ_EMAIL."""
    documents: int = Field(ge=1)
    """Abstracts retrieved per phenotype, by relevance."""


class Wikipedia(Section):
    """Retrieval through the MediaWiki API."""

    endpoint: str
    """URL of the API of the English Wikipedia or a mirror. A change reruns nothing."""
    documents: int = Field(ge=1)
    """Articles retrieved per phenotype."""


class Terms(Section):
    """Extraction of key terms by a language model."""

    llm: str
    """A key of `llms`."""
    sources: list[Literal["pubmed", "wikipedia"]] = Field(min_length=1)
    """Sources whose documents the model reads."""
    batch: int = Field(ge=1)
    """Documents added in each round."""
    top: int | None = Field(ge=1)
    """Number of key terms per phenotype, those in most documents first; null: every term is a key term."""
    jaccard: float = Field(gt=0, le=1)
    """Lowest Jaccard index with the key terms of the previous round at which a round counts as stable."""
    stable_rounds: int = Field(ge=1)
    """Stop after this many stable rounds in a row."""
    max_terms: int = Field(ge=1)
    """Maximum number of terms requested per document."""
    max_characters: int = Field(ge=100)
    """Number of leading characters of a document that the model reads."""

    @field_validator("sources")
    @classmethod
    def _each_once(cls, sources: list[str]) -> list[str]:
        if len(set(sources)) < len(sources):
            raise ValueError("names a source twice; remove the duplicate")
        return sources


class Vocabulary(Section):
    """Selection of the tokens of key terms for V^k."""

    stop_word_pieces: bool
    """Keep tokens that spell a stop word of two or more letters, at the beginning of a word or within it."""
    one_letter_pieces: bool
    """Keep tokens of at most one character (none: only the marker of a blank)."""


class Knowledge(Section):
    """From phenotype names to the vocabulary V^k."""

    source: Literal["online", "offline"]
    """online: PubMed and Wikipedia; offline: the authored texts in resources/knowledge, a stand-in."""
    refresh: str | None
    """A date (YYYY-MM-DD, UTC): responses fetched before it are fetched again, once; null: stored responses stay."""
    pubmed: PubMed
    """PubMed."""
    wikipedia: Wikipedia
    """Wikipedia."""
    terms: Terms
    """Term extraction."""
    vocabulary: Vocabulary
    """The vocabulary V^k."""

    @field_validator("refresh", mode="before")
    @classmethod
    def _date(cls, value: Any) -> Any:
        """Accept an ISO date, which YAML parses as a date unless it is quoted."""
        if value is None:
            return None
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            raise ValueError(f"{value!r} is not a date; write it like 2026-11-25") from None
        if day > datetime.now(UTC).date():
            raise ValueError(f"{day} is in the future (UTC); set it to today or an earlier date")
        return day.isoformat()
