"""Articles from Wikipedia through the MediaWiki API."""

import logging

import httpx
import wikipediaapi

from clinragen.errors import UserError
from clinragen.knowledge.documents import Document

log = logging.getLogger("wikipedia")
# The API's rules ask for a name and a place to learn more.
USER_AGENT = "clinragen-reproduction/1.0 (https://arxiv.org/abs/2411.07611)"
TIMEOUT = 60.0  # seconds
RETRIES = 4
FIRST_WAIT = 2.0  # seconds; doubled after every failure


class Redirect(httpx.BaseTransport):
    """Send every request to one endpoint; the library derives its address from the language only."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = httpx.URL(endpoint)
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request from the endpoint."""
        request.url = self.endpoint.copy_with(query=request.url.query)
        request.headers["Host"] = request.url.netloc.decode()
        return self.inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self.inner.close()


def client(endpoint: str) -> wikipediaapi.Wikipedia:
    """A client of the English Wikipedia, or of any server with the same API."""
    logging.getLogger("wikipediaapi").setLevel(logging.WARNING)
    return wikipediaapi.Wikipedia(
        user_agent=USER_AGENT,
        language="en",
        transport=Redirect(endpoint),
        timeout=TIMEOUT,
        max_retries=RETRIES,
        retry_wait=FIRST_WAIT,
    )


def articles(wiki: wikipediaapi.Wikipedia, phenotype: str, query: str, most: int) -> list[Document]:
    """The best matching articles as plain text, best first.

    UserError when the service cannot be reached, keeps failing or finds nothing.
    """
    try:
        titles = list(wiki.search(query, limit=most).pages)[:most]
        texts = {title: wiki.page(title).text for title in titles}
    except wikipediaapi.WikipediaException as error:
        raise UserError(
            f"Wikipedia returned no valid response for {phenotype!r} ({type(error).__name__}); check "
            "knowledge.wikipedia.endpoint and the network, then re-run"
        ) from None
    kept = [title for title in titles if texts[title].strip()]
    if not kept:
        raise UserError(
            f"Wikipedia returned no results for {phenotype!r}; change its query in resources/knowledge/queries.csv"
        )
    return [Document(phenotype, "wikipedia", t, rank, t, texts[t].strip()) for rank, t in enumerate(kept, 1)]
