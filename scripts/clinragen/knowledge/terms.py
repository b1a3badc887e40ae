"""Key terms per phenotype: equation 1, K = argmax P(K' | D, K_doc), in rounds until the set is stable."""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from clinragen.config.knowledge import Terms
from clinragen.errors import UserError
from clinragen.knowledge.abbreviations import long_forms
from clinragen.knowledge.documents import Document
from clinragen.knowledge.ranking import Mention, Round, Shown, Term, jaccard, ranked
from clinragen.knowledge.wording import canonical, is_term, written_form
from clinragen.llm.prompt import Prompt, read_prompt
from clinragen.llm.request import Answer, Request

log = logging.getLogger("terms")
PROMPT_SLOTS = {"disease", "document", "most"}
# The form of an answer, for servers that can be held to one.
RESPONSE_SCHEMA = {
    "type": "object",
    "properties": {"terms": {"type": "array", "items": {"type": "string"}}},
    "required": ["terms"],
    "additionalProperties": False,
}


@dataclass
class Search:
    """The extraction for one phenotype: documents not yet shown, terms found, and how stable their set is."""

    phenotype: str
    waiting: list[Document]
    long_forms: Mapping[str, str]
    mentions: list[Mention] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    top: list[Term] = field(default_factory=list)
    similar: int = 0
    with_terms: int = 0
    """Documents of this round that gave terms."""
    without_terms: Counter[str] = field(default_factory=Counter)
    """Documents that gave no terms, by reason."""

    def goes_on(self) -> bool:
        """Return whether documents remain and the terms still change."""
        return bool(self.waiting) and not (self.rounds and self.rounds[-1].stable)

    def add(self, document: Document, answer: Answer, settings: Terms) -> None:
        """Add the terms of the answer on one document."""
        number, problems = len(self.rounds) + 1, "; ".join(answer.problems) or None
        key = (self.phenotype, document.source, document.identifier, number)
        self.shown.append(Shown(*key, answer.request, answer.status, problems))
        forms = accepted(answer.text, visible(document, settings))[: settings.max_terms]
        self.with_terms += bool(forms)
        if not forms:
            self.without_terms["none named" if answer.status == "good" else answer.status] += 1
        for form in forms:
            term = canonical(form, self.long_forms)
            self.mentions.append(Mention(self.phenotype, term, form, document.source, document.identifier, number))

    def close_round(self, settings: Terms) -> None:
        """Compare the top terms with those of the round before; a round that gave no terms does not count."""
        last = self.rounds[-1] if self.rounds else Round(self.phenotype, 0, 0, 0, 0, 0, None, False)
        before, self.top = {t.term for t in self.top}, ranked(self.mentions, settings.top)
        index = jaccard(before, {t.term for t in self.top}) if self.rounds and self.with_terms else None
        if self.with_terms:
            self.similar = self.similar + 1 if index is not None and index >= settings.jaccard else 0
        self.with_terms = 0
        shown = min(settings.batch, len(self.waiting))
        terms = len({m.term for m in self.mentions})
        self.waiting = self.waiting[settings.batch :]
        self.rounds.append(
            Round(
                self.phenotype,
                last.round + 1,
                last.documents + shown,
                terms,
                terms - last.terms,
                len(self.top),
                index,
                self.similar >= settings.stable_rounds,
                self.without_terms.total(),
                in_words(self.without_terms) or None,
            )
        )


@dataclass(frozen=True)
class Extraction:
    """The key terms K, the mentions they were chosen from, the documents shown, and the rounds."""

    terms: list[Term]
    mentions: list[Mention]
    shown: list[Shown]
    rounds: list[Round]
    without_terms: Counter[str]
    """Documents that gave no terms, by reason."""


def extract(
    documents: list[Document],
    settings: Terms,
    prompt: Prompt,
    ask: Callable[[list[Request]], list[Answer]],
    abbreviations: Mapping[str, str],
) -> Extraction:
    """Extract the key terms of every phenotype, from the documents of the configured sources.

    A round shows the model the next `batch` documents of each phenotype. A phenotype is done when its top terms are
    stable, or without documents; its key terms are the last top terms. UserError for one without any term.
    """
    searches = [_search(p, documents, settings, abbreviations) for p in unique(documents)]
    number = 0
    while active := [s for s in searches if s.goes_on()]:
        number += 1
        shown = [(s, d) for s in active for d in s.waiting[: settings.batch]]
        answers = ask([request_for(d, settings, prompt) for _, d in shown])
        for (search, document), answer in zip(shown, answers, strict=True):
            search.add(document, answer, settings)
        for search in active:
            search.close_round(settings)
        log.info(
            "round %d: %d documents of %d phenotypes, %d new terms, %d phenotypes stable",
            number,
            len(shown),
            len(active),
            sum(s.rounds[-1].new for s in active),
            sum(s.rounds[-1].stable for s in searches if s.rounds),
        )
    barren = [s.phenotype for s in searches if not s.top]
    if barren:
        raise UserError(f"no key terms found for {barren}; check their documents and the model's answers")
    without = sum((s.without_terms for s in searches), Counter())
    if without:
        total = sum(s.rounds[-1].documents for s in searches)
        log.warning("%d of %d documents gave no terms: %s", without.total(), total, in_words(without))
    return Extraction(
        [t for s in searches for t in s.top],
        [m for s in searches for m in s.mentions],
        [d for s in searches for d in s.shown],
        [r for s in searches for r in s.rounds],
        without,
    )


def still_to_ask(
    documents: list[Document],
    settings: Terms,
    prompt: Prompt,
    abbreviations: Mapping[str, str],
    known: Callable[[Request], Answer | None],
) -> tuple[list[Request], int]:
    """Return the requests that `extract` may still make, and how many of them it makes in any case.

    `known` returns the answer to a request if it is stored; with these each phenotype gets as far as `extract` would.
    """
    requests, least = [], 0
    for search in (_search(p, documents, settings, abbreviations) for p in unique(documents)):
        while search.goes_on():
            shown = search.waiting[: settings.batch]
            answers = [a for document in shown if (a := known(request_for(document, settings, prompt))) is not None]
            if len(answers) < len(shown):
                break
            for document, answer in zip(shown, answers, strict=True):
                search.add(document, answer, settings)
            search.close_round(settings)
        if search.goes_on():
            waiting = [request_for(document, settings, prompt) for document in search.waiting]
            # The first round has none before it to compare with.
            soonest = (settings.stable_rounds - search.similar + (not search.rounds)) * settings.batch
            requests += [request for request in waiting if known(request) is None]
            least += sum(known(request) is None for request in waiting[:soonest])
    return requests, least


def in_words(counts: Counter[str]) -> str:
    """Return the counts by reason in words, the most frequent first."""
    return ", ".join(f"{number} {reason}" for reason, number in counts.most_common())


def _search(phenotype: str, documents: list[Document], settings: Terms, abbreviations: Mapping[str, str]) -> Search:
    own = [d for d in documents if d.phenotype == phenotype and d.source in settings.sources]
    return Search(phenotype, alternating(own), long_forms((f"{d.title}\n{d.text}" for d in own), abbreviations))


def read_terms_prompt(path: Path) -> Prompt:
    """Return the prompt for the key terms of one document."""
    return read_prompt(path, PROMPT_SLOTS)


def request_for(document: Document, settings: Terms, prompt: Prompt) -> Request:
    """Return the request for the key terms of one document."""
    text = visible(document, settings)
    rendered = prompt.render(disease=document.phenotype, document=text, most=str(settings.max_terms))
    slots = {"document": text, "max_terms": settings.max_terms}
    return Request("terms", rendered, prompt.version, slots, RESPONSE_SCHEMA)


def check(request: Request, text: str) -> list[str]:
    """Return the problems of an answer: no list of terms in it, or none of them in the document."""
    try:
        terms = parse(text)
    except ValueError as error:
        return [str(error)]
    if terms and not accepted(text, request.slots["document"]):
        return ["none of the terms appears in the document"]
    return []


def parse(text: str) -> list[str]:
    """Return the terms of an answer: its first object of RESPONSE_SCHEMA or list of strings; ValueError without one."""
    decoder = json.JSONDecoder()
    for start in (m.start() for m in re.finditer(r"[\[{]", text)):
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        value = value.get("terms") if isinstance(value, dict) else value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    raise ValueError('it is not a JSON object whose "terms" are a list of strings')


def accepted(text: str, document: str) -> list[str]:
    """Return the written forms of an answer's terms that appear in the document as whole words, without repeats.

    An answer that is not a list has none: it has been requested again and counted before.
    """
    try:
        forms = [written_form(term) for term in parse(text)]
    except ValueError:
        return []
    words = f" {written_form(document)} "
    return list(dict.fromkeys(f for f in forms if is_term(f) and f" {f} " in words))


def visible(document: Document, settings: Terms) -> str:
    """Return the part of a document that the model sees."""
    return f"{document.title}\n{document.text}"[: settings.max_characters]


def unique(documents: list[Document]) -> list[str]:
    """Return the phenotypes of the documents, in their order."""
    return list(dict.fromkeys(d.phenotype for d in documents))


def alternating(documents: list[Document]) -> list[Document]:
    """Return the documents by rank, the sources in turn."""
    ranked_documents = sorted(documents, key=lambda d: d.rank)
    sources = [[d for d in ranked_documents if d.source == s] for s in dict.fromkeys(d.source for d in documents)]
    return [d for row in zip_longest(*sources) for d in row if d is not None]
