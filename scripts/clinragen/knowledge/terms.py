"""Key terms per phenotype: equation 1, K = argmax P(K' | D, K_doc), in rounds until the set is stable."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

import pyarrow as pa

from clinragen.config.knowledge import Terms
from clinragen.errors import UserError
from clinragen.knowledge.documents import Document
from clinragen.llm.prompt import Prompt
from clinragen.llm.request import Answer, Request
from clinragen.schemas.knowledge import TERMS

log = logging.getLogger("terms")
LONGEST_TERM = 5  # words
PROMPT_SLOTS = {"disease", "document", "most"}


@dataclass(frozen=True)
class Term:
    """A key term with the document and the round that brought it first."""

    phenotype: str
    term: str
    source: str
    identifier: str
    round: int


def extract(
    documents: list[Document], settings: Terms, prompt: Prompt, ask: Callable[[list[Request]], list[Answer]]
) -> list[Term]:
    """Terms of every phenotype.

    A round shows the model the next `batch` documents of each phenotype; a phenotype is done after
    `stable_rounds` rounds without a new term, or without documents. UserError for one without any term.
    """
    waiting = {p: alternating([d for d in documents if d.phenotype == p]) for p in unique(documents)}
    found: dict[str, dict[str, Term]] = {p: {} for p in waiting}
    quiet = dict.fromkeys(waiting, 0)
    number = 0
    while active := [p for p in waiting if waiting[p] and quiet[p] < settings.stable_rounds]:
        number += 1
        shown = [d for p in active for d in waiting[p][: settings.batch]]
        answers = ask([request_for(d, settings, prompt) for d in shown])
        before = {p: len(found[p]) for p in active}
        for document, answer in zip(shown, answers, strict=True):
            known = found[document.phenotype]
            for term in accepted(answer.text, visible(document, settings))[: settings.max_terms]:
                known.setdefault(term, Term(document.phenotype, term, document.source, document.identifier, number))
        for p in active:
            waiting[p] = waiting[p][settings.batch :]
            quiet[p] = 0 if len(found[p]) > before[p] else quiet[p] + 1
        new = sum(len(found[p]) - before[p] for p in active)
        log.info("round %d: %d documents of %d phenotypes, %d new terms", number, len(shown), len(active), new)
    barren = [p for p in found if not found[p]]
    if barren:
        raise UserError(f"no key terms found for {barren}; check their documents and the model's answers")
    return [term for terms in found.values() for term in terms.values()]


def request_for(document: Document, settings: Terms, prompt: Prompt) -> Request:
    """The question for the key terms of one document."""
    text = visible(document, settings)
    rendered = prompt.render(disease=document.phenotype, document=text, most=str(settings.max_terms))
    return Request("terms", rendered, prompt.version, {"document": text, "max_terms": settings.max_terms})


def check(request: Request, text: str) -> list[str]:
    """What is wrong with an answer: not a list of terms, or none of them in the document."""
    try:
        terms = parse(text)
    except ValueError as error:
        return [str(error)]
    if terms and not accepted(text, request.slots["document"]):
        return ["none of the terms appears in the document"]
    return []


def parse(text: str) -> list[str]:
    """The strings of the JSON list in an answer, ignoring text around it; ValueError without such a list."""
    decoder = json.JSONDecoder()
    for start in (m.start() for m in re.finditer(r"\[", text)):
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    raise ValueError("it is not a JSON list of strings")


def accepted(text: str, document: str) -> list[str]:
    """The normalised terms of an answer that appear in the document as whole words, without repeats.

    An answer that is not a list has none: by then it was requested again and counted.
    """
    try:
        terms = [normalised(term) for term in parse(text)]
    except ValueError:
        return []
    words = f" {normalised(document)} "
    return list(dict.fromkeys(t for t in terms if is_term(t) and f" {t} " in words))


def normalised(text: str) -> str:
    """Lower-case words and numbers separated by single spaces; hyphens and apostrophes inside words stay."""
    return " ".join(re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", text.lower()))


def is_term(term: str) -> bool:
    """Whether a normalised text can be a term: a few words, with at least one word of letters."""
    return 1 <= len(term.split()) <= LONGEST_TERM and re.search(r"[^\W\d_]{2}", term) is not None


def visible(document: Document, settings: Terms) -> str:
    """The part of a document that the model sees."""
    return f"{document.title}\n{document.text}"[: settings.max_characters]


def unique(documents: list[Document]) -> list[str]:
    """Phenotypes of the documents, in their order."""
    return list(dict.fromkeys(d.phenotype for d in documents))


def alternating(documents: list[Document]) -> list[Document]:
    """Documents by rank, the sources in turn."""
    ranked = sorted(documents, key=lambda d: d.rank)
    sources = [[d for d in ranked if d.source == s] for s in dict.fromkeys(d.source for d in documents)]
    return [d for row in zip_longest(*sources) for d in row if d is not None]


def table_of(terms: list[Term]) -> pa.Table:
    """The terms as a table."""
    return pa.Table.from_pylist([vars(t) for t in terms], schema=TERMS.schema)


def readable(terms: list[Term]) -> pa.Table:
    """One row per phenotype: the number of its terms and all of them, in alphabetical order."""
    phenotypes = list(dict.fromkeys(t.phenotype for t in terms))
    lists = [sorted(t.term for t in terms if t.phenotype == p) for p in phenotypes]
    return pa.table(
        {"phenotype": phenotypes, "number": [len(x) for x in lists], "terms": ["; ".join(x) for x in lists]}
    )
