"""Abstracts from PubMed through NCBI's E-utilities."""

import contextlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from Bio import Entrez

from clinragen.errors import UserError
from clinragen.knowledge.documents import Document
from clinragen.knowledge.pubmed_records import Record, records, search_result
from clinragen.knowledge.responses import Request, Response, Responses
from clinragen.knowledge.service import TIMEOUT, Failure, Service, ask, collect, refused
from clinragen.knowledge.steps import Steps

log = logging.getLogger("pubmed")
# Where Biopython sends all requests; it has no setting for it.
FIXED = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
TOOL = "clinragen"
KEY_VARIABLE = "NCBI_API_KEY"
# NCBI permits 3 requests a second, with a key 10.
INTERVAL, INTERVAL_WITH_KEY = 0.37, 0.11  # seconds
# Surplus results of a search, which replace papers that are retracted or have no text.
SPARE = 10
BATCH = 100  # records per request; NCBI asks for at most 200
CHUNK = 65_536  # bytes
UTILITIES: dict[str, Callable[..., Any]] = {"esearch.fcgi": Entrez.esearch, "efetch.fcgi": Entrez.efetch}
PAGE = "https://pubmed.ncbi.nlm.nih.gov"


@contextlib.contextmanager
def entrez(endpoint: str, email: str) -> Iterator[None]:
    """Let Biopython name the operator, use the key of the environment and send its requests to this endpoint."""

    class Redirect(urllib.request.BaseHandler):
        handler_order = 100  # before the handlers that derive headers from the address

        def https_request(self, request: urllib.request.Request) -> urllib.request.Request:
            if request.full_url.startswith(FIXED):
                request.full_url = endpoint.rstrip("/") + request.full_url.removeprefix(FIXED)
            request.timeout = TIMEOUT
            return request

    # Biopython does not annotate its variables, which are None at first.
    Entrez.email = email  # type: ignore[assignment]
    Entrez.api_key = os.environ.get(KEY_VARIABLE, "").strip() or None  # type: ignore[assignment]
    Entrez.tool, Entrez.max_tries = TOOL, 1
    urllib.request.install_opener(urllib.request.build_opener(Redirect))
    try:
        yield
    finally:
        urllib.request.install_opener(None)
        Entrez.api_key = None


def abstracts(responses: Responses, phenotype: str, query: str, most: int, steps: Steps) -> list[Document]:
    """Return the most relevant abstracts for a query, best first, retracted papers left out; within `entrez`.

    Fewer where PubMed has fewer. UserError when the service cannot be reached, keeps failing or finds nothing.
    """
    term = f"({query}) AND hasabstract"
    search = Request(
        "pubmed", "esearch.fcgi", {"db": "pubmed", "term": term, "sort": "relevance", "retmax": str(most + SPARE)}
    )
    identifiers = search_result(_ask(responses, search, search_result).body)
    if not identifiers:
        raise UserError(
            f"PubMed returned no results for {phenotype!r}; change its query in resources/knowledge/queries.csv"
        )
    fetched = [
        (record, response)
        for start in range(0, len(identifiers), BATCH)
        for record, response in _records(responses, identifiers[start : start + BATCH])
    ]
    valid = [(r, response) for r, response in fetched if not (r.retracted or r.notice)]
    readable = [(r, response) for r, response in valid if r.text]
    kept = readable[:most]
    steps.add("results of the searches", len(identifiers))
    steps.add("records that PubMed has", len(fetched))
    steps.add("neither retracted nor the notice of a retraction", len(valid))
    steps.add("with an abstract", len(readable))
    steps.add("most relevant ones of each phenotype", len(kept))
    left_out = [r.identifier for r, _ in fetched if r.retracted or r.notice]
    if left_out:
        log.info("%s: %d retracted papers or notices left out: %s", phenotype, len(left_out), ", ".join(left_out))
    if not kept:
        raise UserError(
            f"PubMed returned no usable abstract for {phenotype!r}; change its query in resources/knowledge/queries.csv"
        )
    return [_document(phenotype, term, rank, *pair) for rank, pair in enumerate(kept, 1)]


def _records(responses: Responses, identifiers: list[str]) -> list[tuple[Record, Response]]:
    """Return the records that PubMed has, in the order of the identifiers."""

    def complete(body: bytes) -> None:
        if not records(body):
            raise Failure("no records")

    fetch = Request("pubmed", "efetch.fcgi", {"db": "pubmed", "id": ",".join(identifiers), "retmode": "xml"})
    response = _ask(responses, fetch, complete)
    by_pmid = records(response.body)
    return [(by_pmid[i], response) for i in identifiers if i in by_pmid]


def _document(phenotype: str, term: str, rank: int, record: Record, response: Response) -> Document:
    return Document(
        phenotype,
        "pubmed",
        record.identifier,
        rank,
        record.title,
        record.text,
        revision=record.revised,
        published=record.published,
        taken=response.taken,
        query=term,
        url=f"{PAGE}/{record.identifier}/",
        licence=record.licence,
    )


def _ask(responses: Responses, request: Request, check: Callable[[bytes], object]) -> Response:
    interval = INTERVAL_WITH_KEY if Entrez.api_key else INTERVAL
    service = Service("pubmed", "PubMed", interval, "knowledge.pubmed.endpoint")
    return ask(service, responses, request, _send, check)


def _send(request: Request) -> bytes:
    """Return the body of one response, through Biopython; Failure unless it is complete."""
    try:
        with UTILITIES[request.path](**request.parameters) as handle:
            raw = getattr(handle, "buffer", handle)  # Biopython wraps plain text
            return collect(iter(lambda: raw.read(CHUNK), b""), raw.headers.get("Content-Length"))
    except urllib.error.HTTPError as error:
        with error:
            failure = refused(error.code, error.headers.get("Retry-After"))
        if failure.final and Entrez.api_key:
            failure = Failure(f"{failure}; is the key in {KEY_VARIABLE} valid?", final=True)
        raise failure from None
    except urllib.error.URLError as error:
        raise Failure(str(error.reason)) from None
    except (http.client.HTTPException, OSError) as error:
        raise Failure(type(error).__name__) from None
