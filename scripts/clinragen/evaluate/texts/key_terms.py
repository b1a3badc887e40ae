"""Key terms of a rationale that the note lacks: findings that the model may have invented.

A term is matched word by word by its wordings in the documents, ignoring case, punctuation, digits, stop words and
plural s, because the note that models read has neither digits nor stop words.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace

import pyarrow as pa

from clinragen.rationale.claims import Wordings

# Terms of a larger share of the phenotypes, or in a larger share of the notes, are too generic to describe a patient.
GENERIC = 0.2
Words = tuple[str, ...]


@dataclass(frozen=True)
class KeyTerms:
    """Terms by the words of their wordings; a wording may belong to several terms."""

    terms: dict[Words, frozenset[str]]
    stop_words: frozenset[str]
    diseases: re.Pattern[str]

    def stated(self, rationale: str) -> set[str]:
        """Return the terms in a rationale outside the names of diseases, which are not findings of a note."""
        pieces = self.diseases.split(rationale.lower())
        return {term for piece in pieces for term in self._matches(piece)}

    def in_note(self, note: str) -> set[str]:
        """Return the terms in a note."""
        return set(self._matches(note))

    def _matches(self, text: str) -> Iterable[str]:
        words = words_of(text, self.stop_words)
        longest = max(map(len, self.terms), default=0)
        for start in range(len(words)):
            for size in range(1, min(longest, len(words) - start) + 1):
                yield from self.terms.get(tuple(words[start : start + size]), ())


def words_of(text: str, stop_words: Set[str]) -> list[str]:
    """Return the words of a text in the form in which they are compared.

    >>> words_of("Shortness of breath, 3 infiltrates", {"of"})
    ['shortness', 'breath', 'infiltrate']
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    return [_singular(word) for word in words if word not in stop_words]


def _singular(word: str) -> str:
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


def specific_terms(
    terms: pa.Table, stop_words: frozenset[str], ordinary: frozenset[str], wordings: Wordings, notes: Iterable[str]
) -> KeyTerms:
    """Return the key terms (TERMS) that are specific to patients.

    Excludes terms that consist of `ordinary` words (up to plural s), belong to more than a fifth of the phenotypes, or
    occur in more than a fifth of the notes.
    """
    forms: dict[str, set[Words]] = defaultdict(set)
    phenotypes: dict[str, set[str]] = defaultdict(set)
    plain = {_singular(word) for word in ordinary} | ordinary
    for row in terms.to_pylist():
        phenotypes[row["term"]].add(row["phenotype"])
        forms[row["term"]] |= {tuple(words_of(form, stop_words)) for form in (row["term"], *row["forms"])}
    most = GENERIC * len({name for names in phenotypes.values() for name in names})
    kept = {
        term: {words for words in own if not set(words) <= plain}
        for term, own in forms.items()
        if len(phenotypes[term]) <= most
    }
    candidates = KeyTerms(_by_words(kept), stop_words, _names(wordings))
    in_notes = [candidates.in_note(note) for note in notes]
    counts = Counter(term for terms_of_note in in_notes for term in terms_of_note)
    rare = {term: own for term, own in kept.items() if counts[term] <= GENERIC * len(in_notes)}
    return replace(candidates, terms=_by_words(rare))


def _by_words(terms: dict[str, set[Words]]) -> dict[Words, frozenset[str]]:
    by_words: dict[Words, set[str]] = defaultdict(set)
    for term, wordings in terms.items():
        for words in wordings:
            by_words[words].add(term)
    return {words: frozenset(names) for words, names in by_words.items()}


def _names(wordings: Wordings) -> re.Pattern[str]:
    """Return a pattern of the names of diseases as texts write them, in lower case, longest first."""
    names = {" ".join(re.findall(r"[a-z0-9]+", name.lower())) for name in wordings.phenotypes}
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join('[^a-z0-9]+'.join(name.split()) for name in longest_first)})(?:e?s)?\b")
