"""Terms ranked by the number of their documents, and the stability of a set of terms."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from clinragen.schemas.knowledge import ANSWERS, CONVERGENCE, MENTIONS, TERM_LISTS, TERMS


@dataclass(frozen=True)
class Mention:
    """One wording of a term that the model named in one document, and the round that showed the document."""

    phenotype: str
    term: str
    form: str
    source: str
    identifier: str
    round: int


@dataclass(frozen=True)
class Term:
    """A term of one phenotype with all that speaks for it; `rank` counts from 1."""

    phenotype: str
    term: str
    rank: int
    forms: tuple[str, ...]
    documents: int
    pubmed: int
    wikipedia: int
    round: int


@dataclass(frozen=True)
class Shown:
    """A document that the model was shown, and the outcome."""

    phenotype: str
    source: str
    identifier: str
    round: int
    request: str
    status: str
    problems: str | None


@dataclass(frozen=True)
class Round:
    """The state of one phenotype after one round of extraction."""

    phenotype: str
    round: int
    documents: int
    terms: int
    new: int
    top: int
    jaccard: float | None
    stable: bool
    without_terms: int = 0
    reasons: str | None = None


def ranked(mentions: Iterable[Mention], top: int | None) -> list[Term]:
    """Return the terms of one phenotype: those of most documents first, ties by name; at most `top` of them."""
    by_term: dict[str, list[Mention]] = {}
    for mention in mentions:
        by_term.setdefault(mention.term, []).append(mention)
    carried = {term: {(m.source, m.identifier) for m in by_term[term]} for term in by_term}
    order = sorted(by_term, key=lambda term: (-len(carried[term]), term))[:top]
    return [
        Term(
            by_term[term][0].phenotype,
            term,
            rank,
            tuple(sorted({m.form for m in by_term[term]})),
            len(carried[term]),
            sum(source == "pubmed" for source, _ in carried[term]),
            sum(source == "wikipedia" for source, _ in carried[term]),
            min(m.round for m in by_term[term]),
        )
        for rank, term in enumerate(order, 1)
    ]


def jaccard(one: set, other: set) -> float:
    """Return the size of the intersection divided by that of the union; 0 for two empty sets."""
    return len(one & other) / len(one | other) if one or other else 0.0


def terms_table(terms: Iterable[Term]) -> pa.Table:
    """Return the key terms as a table (TERMS)."""
    return pa.Table.from_pylist([vars(t) for t in terms], schema=TERMS.schema)


def mentions_table(mentions: Iterable[Mention]) -> pa.Table:
    """Return the mentions as a table (MENTIONS)."""
    return pa.Table.from_pylist([vars(m) for m in mentions], schema=MENTIONS.schema)


def answers_table(shown: Iterable[Shown]) -> pa.Table:
    """Return the documents that were shown as a table (ANSWERS)."""
    return pa.Table.from_pylist([vars(s) for s in shown], schema=ANSWERS.schema)


def convergence_table(rounds: Iterable[Round]) -> pa.Table:
    """Return the rounds as a table (CONVERGENCE)."""
    return pa.Table.from_pylist([vars(r) for r in rounds], schema=CONVERGENCE.schema)


def readable(terms: list[Term]) -> pa.Table:
    """Return the number of key terms of each phenotype and all of them, by rank (TERM_LISTS)."""
    phenotypes = list(dict.fromkeys(t.phenotype for t in terms))
    lists = [[t.term for t in terms if t.phenotype == p] for p in phenotypes]
    columns = {"phenotype": phenotypes, "number": [len(x) for x in lists], "terms": ["; ".join(x) for x in lists]}
    return pa.table(columns, schema=TERM_LISTS.schema)
