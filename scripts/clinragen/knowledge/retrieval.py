"""Documents on every phenotype from PubMed or Wikipedia."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from clinragen.knowledge.documents import Document
from clinragen.knowledge.responses import Responses
from clinragen.knowledge.steps import Steps
from clinragen.runtime.progress import Progress

Search = Callable[[str, str, int, Steps], list[Document]]
"""From phenotype, query and the most documents wanted to the documents, best first."""


def retrieve(
    source: str, queries: Mapping[str, str], most: int, endpoint: str, email: str, responses: Responses, steps: Steps
) -> list[Document]:
    """Return at most `most` documents per phenotype, in the order of `queries`.

    `source` is pubmed or wikipedia, `email` the address that the service asks for. UserError when the service cannot
    be reached, keeps failing or returns nothing for a phenotype.
    """
    title, opened = SERVICES[source]
    documents = []
    with opened(endpoint, email, responses) as search, Progress(f"searches in {title}", len(queries)) as bar:
        for phenotype, query in queries.items():
            documents += search(phenotype, query, most, steps)
            bar.advance()
    return documents


@contextlib.contextmanager
def _pubmed(endpoint: str, email: str, responses: Responses) -> Iterator[Search]:
    from clinragen.knowledge.pubmed import abstracts, entrez

    with entrez(endpoint, email):
        yield partial(abstracts, responses)


@contextlib.contextmanager
def _wikipedia(endpoint: str, email: str, responses: Responses) -> Iterator[Search]:
    from clinragen.knowledge.wikipedia import Wikipedia

    yield Wikipedia(endpoint, email, responses).articles


SERVICES = {"pubmed": ("PubMed", _pubmed), "wikipedia": ("Wikipedia", _wikipedia)}
