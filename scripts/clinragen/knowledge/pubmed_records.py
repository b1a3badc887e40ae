"""Responses of the E-utilities: results of a search, and records of articles and books.

Read with ElementTree: Biopython's parser fetches a document type that it does not know from the network, and keeps the
markup within titles and abstracts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from clinragen.knowledge.plain_text import MATHML, text_of
from clinragen.knowledge.service import Failure

# Unique identifiers of publication types: their names have changed, these do not.
RETRACTED_TYPES = {"D016441", "Retracted Publication"}
NOTICE_TYPES = {"D016440", "Retraction of Publication", "Retraction Notice"}
RETRACTED_LINKS = {"RetractionIn", "RetractedandRepublishedIn"}
NOTICE_LINKS = {"RetractionOf"}
LICENCE = "copyright of the authors or publisher; retrieved from PubMed"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Record:
    """One article, or one chapter of a book."""

    identifier: str
    """PMID; a chapter without one has its accession number on the Bookshelf."""
    title: str
    text: str
    published: str | None
    revised: str | None
    licence: str
    retracted: bool
    notice: bool
    """Whether it is itself the notice of a retraction."""


def search_result(body: bytes) -> list[str]:
    """Return the PMIDs that a search found, best first; Failure unless the response is a search result."""
    root = _root(body, "eSearchResult")
    if root.find("ERROR") is not None or root.find("IdList") is None:
        raise Failure("an error message in place of a search result")
    identifiers = [(element.text or "").strip() for element in root.findall("IdList/Id")]
    if not identifiers and root.findtext("Count", "").strip() != "0":
        raise Failure("an incomplete search result")
    return identifiers


def records(body: bytes) -> dict[str, Record]:
    """Return articles and chapters by PMID; Failure unless the response is a set of them."""
    parsed = [_record(element) for element in _root(body, "PubmedArticleSet")]
    return {record.identifier: record for record in parsed if record}


def _root(body: bytes, name: str) -> Element:
    # PubMed's document type, which is not read, declares this prefix; formulas may, but need not, do so again.
    body = re.sub(rf"<{name}\s*>".encode(), f'<{name} xmlns:mml="{MATHML[1:-1]}">'.encode(), body, count=1)
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):  # malformed, or of an unknown encoding
        raise Failure("malformed XML") from None
    if root.tag != name:
        raise Failure(f"a document of another type than {name}")
    return root


def _record(element: Element) -> Record | None:
    if element.tag == "PubmedArticle":
        return _article(element)
    if element.tag == "PubmedBookArticle":
        return _chapter(element)
    return None  # DeleteCitation


def _article(element: Element) -> Record | None:
    citation, article = element.find("MedlineCitation"), element.find("MedlineCitation/Article")
    if citation is None or article is None:
        return None
    types = {name for kind in article.iter("PublicationType") for name in (kind.get("UI"), text_of(kind))}
    links = {link.get("RefType") for link in citation.iter("CommentsCorrections")}
    dates = (article.find("ArticleDate"), article.find("Journal/JournalIssue/PubDate"))
    return Record(
        identifier=text_of(citation.find("PMID")),
        title=text_of(article.find("ArticleTitle")) or text_of(article.find("VernacularTitle")),
        text=_abstract(article),
        published=next((text for date in dates if (text := iso_date(date))), None),
        revised=iso_date(citation.find("DateRevised")),
        licence=_licence(article),
        retracted=bool(types & RETRACTED_TYPES or links & RETRACTED_LINKS),
        notice=bool(types & NOTICE_TYPES or links & NOTICE_LINKS),
    )


def _chapter(element: Element) -> Record | None:
    chapter = element.find("BookDocument")
    if chapter is None:
        return None
    accession = next(
        (text_of(i) for i in chapter.findall("ArticleIdList/ArticleId") if i.get("IdType") == "bookaccession"), ""
    )
    # A chapter of StatPearls is dated by its last contribution; its book by the year of the whole.
    dates = (chapter.find("ContributionDate"), chapter.find("Book/PubDate"))
    return Record(
        identifier=text_of(chapter.find("PMID")) or accession,
        title=text_of(chapter.find("ArticleTitle")) or text_of(chapter.find("Book/BookTitle")),
        text=_abstract(chapter),
        published=next((text for date in dates if (text := iso_date(date))), None),
        revised=iso_date(chapter.find("DateRevised")),
        licence=_licence(chapter),
        retracted=False,
        notice=False,
    )


def _abstract(parent: Element) -> str:
    """Return the paragraphs of an abstract; those of a structured one keep their labels."""
    return "\n".join(_paragraphs(parent))


def _paragraphs(parent: Element) -> Iterator[str]:
    for part in parent.findall("Abstract/AbstractText"):
        label, text = (part.get("Label") or "").strip(), text_of(part)
        if text:
            yield f"{label}: {text}" if label and label != "UNLABELLED" else text


def _licence(parent: Element) -> str:
    return text_of(parent.find("Abstract/CopyrightInformation")) or LICENCE


def iso_date(element: Element | None) -> str | None:
    """Return a date as precisely as it is known: 2020, 2020-03 or 2020-03-05; None without a year."""
    if element is None:
        return None
    free = re.search(r"\b(?:1[89]|20)\d\d\b", element.findtext("MedlineDate") or "")
    year = (element.findtext("Year") or "").strip() or (free[0] if free else "")
    if not re.fullmatch(r"\d{4}", year):
        return None
    name = (element.findtext("Month") or "").strip().lower()
    month = int(name) if name.isdigit() else MONTHS.index(name[:3]) + 1 if name[:3] in MONTHS else 0
    if not 1 <= month <= 12:
        return year
    day = (element.findtext("Day") or "").strip()
    return f"{year}-{month:02}-{int(day):02}" if day.isdigit() else f"{year}-{month:02}"
