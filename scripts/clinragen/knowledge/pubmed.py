"""Abstracts from PubMed through NCBI's E-utilities."""

import contextlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from Bio import Entrez
from Bio.Entrez.Parser import CorruptedXMLError, NotXMLError, ValidationError

from clinragen.errors import UserError
from clinragen.knowledge.documents import Document

T = TypeVar("T")
log = logging.getLogger("pubmed")
# Where Biopython sends everything; it has no setting for it.
FIXED = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
TOOL = "clinragen"
TIMEOUT = 60.0  # seconds
ATTEMPTS = 5
FIRST_WAIT = 2.0  # seconds; doubled after every failure
PASSING = (
    urllib.error.URLError,
    http.client.HTTPException,
    OSError,
    CorruptedXMLError,
    NotXMLError,
    ValidationError,
    RuntimeError,  # how Biopython hands on the server's own error messages
)


@contextlib.contextmanager
def redirected(endpoint: str) -> Iterator[None]:
    """Send Biopython's requests to another server of the same protocol, and limit their time."""

    class Redirect(urllib.request.BaseHandler):
        handler_order = 100  # before the handlers that derive headers from the address

        def https_request(self, request: urllib.request.Request) -> urllib.request.Request:
            if request.full_url.startswith(FIXED):
                request.full_url = endpoint.rstrip("/") + request.full_url.removeprefix(FIXED)
            request.timeout = TIMEOUT
            return request

    urllib.request.install_opener(urllib.request.build_opener(Redirect))
    try:
        yield
    finally:
        urllib.request.install_opener(None)


def abstracts(phenotype: str, query: str, email: str, most: int) -> list[Document]:
    """The most relevant abstracts for a query, best first; fewer where PubMed has fewer with a text.

    UserError when the service cannot be reached or keeps failing.
    """
    Entrez.email, Entrez.tool, Entrez.max_tries = email, TOOL, 1
    found = _patiently(
        lambda: Entrez.read(
            Entrez.esearch(db="pubmed", term=f"({query}) AND hasabstract", sort="relevance", retmax=most)
        ),
        phenotype,
    )
    identifiers = [str(i) for i in found["IdList"]]
    if not identifiers:
        raise UserError(
            f"PubMed returned no results for {phenotype!r}; change its query in resources/knowledge/queries.csv"
        )
    articles = _patiently(
        lambda: Entrez.read(Entrez.efetch(db="pubmed", id=",".join(identifiers), retmode="xml")), phenotype
    )["PubmedArticle"]
    parsed = {identifier: (title, text) for identifier, title, text in map(_parse, articles) if text}
    kept = [i for i in identifiers if i in parsed]
    if len(kept) < len(identifiers):
        log.info("%s: %d of %d articles have no abstract", phenotype, len(identifiers) - len(kept), len(identifiers))
    return [Document(phenotype, "pubmed", i, rank, *parsed[i]) for rank, i in enumerate(kept, 1)]


def _parse(article: dict[str, Any]) -> tuple[str, str, str]:
    """PMID, title and abstract; the parts of a structured abstract keep their labels."""
    citation = article["MedlineCitation"]
    inner = citation["Article"]
    parts = inner.get("Abstract", {}).get("AbstractText", [])
    labelled = [(getattr(part, "attributes", {}).get("Label"), str(part).strip()) for part in parts]
    text = "\n".join(f"{label}: {part}" if label else part for label, part in labelled if part)
    return str(citation["PMID"]), str(inner["ArticleTitle"]).strip(), text


def _patiently(call: Callable[[], T], phenotype: str) -> T:
    """The call's result, through errors that pass; UserError after the last attempt."""
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except PASSING as error:
            reason = f"HTTP status {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
            if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
                reason = str(error.reason)
            if attempt == ATTEMPTS - 1:
                raise UserError(
                    f"PubMed returned no valid response for {phenotype!r} ({reason}, {ATTEMPTS} attempts); check "
                    "knowledge.pubmed.endpoint and the network, then re-run"
                ) from None
            log.info("%s: %s; retrying", phenotype, reason)
            time.sleep(FIRST_WAIT * 2**attempt)
    raise AssertionError("unreachable")
