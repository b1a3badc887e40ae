"""Articles from Wikipedia through the MediaWiki API."""

import json
import logging
from typing import Any

import httpx
import wikipediaapi

from clinragen.errors import UserError
from clinragen.knowledge.documents import Document
from clinragen.knowledge.plain_text import SUBSCRIPTS
from clinragen.knowledge.responses import Request, Response, Responses
from clinragen.knowledge.service import TIMEOUT, Failure, Service, ask, collect, refused
from clinragen.knowledge.steps import Steps

log = logging.getLogger("wikipedia")
PROJECT = "clinragen-reproduction/1.0"
PAPER = "https://arxiv.org/abs/2411.07611"
SERVICE = Service("wikipedia", "Wikipedia", 0.2, "knowledge.wikipedia.endpoint")
LICENCE = "CC BY-SA 4.0, by the contributors to Wikipedia"
PAGE = "https://en.wikipedia.org/w/index.php"
# Surplus results of a search, which replace disambiguation pages and pages without text.
SPARE = 5
# A whole page in one response, so that its text belongs to the revision that is named.
WHOLE = {"prop": "extracts|pageprops|revisions", "ppprop": "disambiguation", "rvprop": "ids|timestamp"}


class Stored(httpx.BaseTransport):
    """A transport that answers wikipedia-api from the stored responses and asks the endpoint for missing ones."""

    def __init__(self, endpoint: str, responses: Responses) -> None:
        self._endpoint = httpx.URL(endpoint)
        self._responses = responses
        # A client rather than a transport: it knows the proxies of the environment.
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True)
        self.latest: Response | None = None
        """The latest response."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Respond to a request."""

        def send(_: Request) -> bytes:
            return self._send(request)

        question = Request(SERVICE.name, "api.php", dict(request.url.params))
        self.latest = ask(SERVICE, self._responses, question, send, result)
        return httpx.Response(200, content=self.latest.body, headers={"Content-Type": "application/json"})

    def _send(self, request: httpx.Request) -> bytes:
        url = self._endpoint.copy_with(query=request.url.query)
        try:
            with self._client.stream("GET", url, headers={"User-Agent": request.headers["User-Agent"]}) as response:
                if response.status_code != 200:
                    raise refused(response.status_code, response.headers.get("Retry-After"))
                return collect(response.iter_bytes())
        except httpx.ConnectError as error:
            raise Failure(str(error) or "no connection") from None
        except (httpx.HTTPError, OSError) as error:
            raise Failure(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Wikipedia:
    """The English Wikipedia, or a mirror with the same API; the user agent names the operator as Wikimedia asks."""

    def __init__(self, endpoint: str, email: str, responses: Responses) -> None:
        for library in ("wikipediaapi", "httpx"):  # they report requests that the stored responses answer, too
            logging.getLogger(library).setLevel(logging.WARNING)
        self._transport = Stored(endpoint, responses)
        common: dict[str, Any] = {
            "user_agent": f"{PROJECT} ({PAPER}; {email})",
            "language": "en",
            "transport": self._transport,
            "max_retries": 0,  # `ask` retries
        }
        self._finder = wikipediaapi.Wikipedia(**common)
        self._reader = wikipediaapi.Wikipedia(**common, extra_api_params=WHOLE)

    def articles(self, phenotype: str, query: str, most: int, steps: Steps) -> list[Document]:
        """Return the best matching articles as plain text, best first; disambiguation pages are skipped.

        UserError when the service cannot be reached, keeps failing or finds nothing.
        """
        found: dict[str, Document] = {}
        looked_at = 0
        for title in self._finder.search(query, limit=most + SPARE).pages:
            if len(found) == most:
                break
            looked_at += 1
            document = self._article(phenotype, query, title, len(found) + 1)
            # A redirect may lead to a page that was read before.
            if document and document.identifier not in found:
                found[document.identifier] = document
        if not found:
            raise UserError(
                f"Wikipedia returned no results for {phenotype!r}; change its query in resources/knowledge/queries.csv"
            )
        steps.add("pages, in the order of the searches", looked_at)
        steps.add("articles with a text, each once, without disambiguation pages", len(found))
        return list(found.values())

    def _article(self, phenotype: str, query: str, title: str, rank: int) -> Document | None:
        """Return one article; None for a disambiguation page and a page without text."""
        text = plain_paragraphs(self._reader.page(title).text)
        response = self._transport.latest
        assert response is not None, "reading a page made a request"
        page = next(iter(result(response.body)["pages"].values()))
        if "disambiguation" in page.get("pageprops", {}):
            log.info("%s: %r is a disambiguation page; taking the next article", phenotype, title)
            return None
        if not text:
            log.info("%s: %r has no text; taking the next article", phenotype, title)
            return None
        revision = page["revisions"][0]
        return Document(
            phenotype,
            "wikipedia",
            str(page["pageid"]),
            rank,
            page["title"],
            text,
            revision=str(revision["revid"]),
            published=revision["timestamp"][:10],
            taken=response.taken,
            query=query,
            url=f"{PAGE}?oldid={revision['revid']}",
            licence=LICENCE,
        )


def result(body: bytes) -> dict[str, Any]:
    """Return the `query` part of a response; Failure unless it is a whole search result or a whole page."""
    try:
        response = json.loads(body)
    except (ValueError, RecursionError):
        raise Failure("malformed JSON") from None
    query = response.get("query") if isinstance(response, dict) else None
    if not isinstance(query, dict) or "error" in response:
        raise Failure("an error message in place of a result")  # with status 200, as MediaWiki sends it
    if isinstance(query.get("search"), list):
        return query
    pages = query.get("pages")
    if not isinstance(pages, dict) or not pages or not all(map(_whole, pages.values())):
        raise Failure("an incomplete page")
    return query


def _whole(page: Any) -> bool:
    if not isinstance(page, dict):
        return False
    if "missing" in page or "invalid" in page:
        return True
    revisions = page.get("revisions") or [{}]
    return {"pageid", "title", "extract"} <= page.keys() and {"revid", "timestamp"} <= revisions[0].keys()


def plain_paragraphs(text: str) -> str:
    """Return the paragraphs without blank lines and the LaTeX that MediaWiki adds to the plain text of formulas."""
    lines = (" ".join(line.split()) for line in _without_latex(text).translate(SUBSCRIPTS).splitlines())
    return "\n".join(line for line in lines if line)


def _without_latex(text: str) -> str:
    kept = []
    while (start := text.find("{\\displaystyle")) >= 0:
        kept.append(text[:start])
        text = text[_end_of_braces(text, start) :]
    return "".join([*kept, text])


def _end_of_braces(text: str, start: int) -> int:
    depth = 0
    for position, character in enumerate(text[start:], start):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return position + 1
    return len(text)
