"""Key terms of a rationale that the note lacks: findings that the model may have made up.

A term is found by its wordings as documents write them, word by word: case, punctuation, digits, stop words and the s
of a plural do not matter, since the note that models read has lost its digits and stop words.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass

import pyarrow as pa

from clinragen.rationale.claims import Wordings

# Terms of more phenotypes than this share, or in more of the notes, are generic: they say nothing of a patient.
GENERIC = 0.2
Words = tuple[str, ...]


@dataclass(frozen=True)
class KeyTerms:
    """Terms by the words of their wordings; a wording may belong to several."""

    terms: dict[Words, frozenset[str]]
    stop_words: frozenset[str]
    diseases: re.Pattern[str]

    def stated(self, rationale: str) -> set[str]:
        """The terms in a rationale, outside of the names of diseases, which are no findings of a note."""
        pieces = self.diseases.split(rationale.lower())
        return {term for piece in pieces for term in self._found(piece)}

    def in_note(self, note: str) -> set[str]:
        """The terms in a note."""
        return set(self._found(note))

    def _found(self, text: str) -> Iterable[str]:
        words = words_of(text, self.stop_words)
        longest = max(map(len, self.terms), default=0)
        for start in range(len(words)):
            for size in range(1, min(longest, len(words) - start) + 1):
                yield from self.terms.get(tuple(words[start : start + size]), ())


def words_of(text: str, stop_words: Set[str]) -> list[str]:
    """The words of a text as they are compared.

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
    """The key terms (TERMS) that tell something of a patient.

    Left out are terms of `ordinary` words alone (in the singular), those of more than a fifth of the phenotypes, and
    those in more than a fifth of the notes.
    """
    forms: dict[str, set[Words]] = defaultdict(set)
    phenotypes: dict[str, set[str]] = defaultdict(set)
    plain = {_singular(word) for word in ordinary} | ordinary
    for row in terms.to_pylist():
        phenotypes[row["term"]].add(row["phenotype"])
        forms[row["term"]] |= {tuple(words_of(form, stop_words)) for form in (row["term"], *row["forms"])}
    most = GENERIC * len({name for names in phenotypes.values() for name in names})
    kept = {
        term: {words for words in found if not set(words) <= plain}
        for term, found in forms.items()
        if len(phenotypes[term]) <= most
    }
    diseases = _names(wordings)
    known = KeyTerms(_by_words(kept), stop_words, diseases)
    counts: dict[str, int] = defaultdict(int)
    number = 0
    for note in notes:
        number += 1
        for term in known.in_note(note):
            counts[term] += 1
    frequent = {term for term, count in counts.items() if count > GENERIC * number}
    return KeyTerms(_by_words({t: found for t, found in kept.items() if t not in frequent}), stop_words, diseases)


def _by_words(terms: dict[str, set[Words]]) -> dict[Words, frozenset[str]]:
    found: dict[Words, set[str]] = defaultdict(set)
    for term, wordings in terms.items():
        for words in wordings:
            found[words].add(term)
    return {words: frozenset(names) for words, names in found.items()}


def _names(wordings: Wordings) -> re.Pattern[str]:
    """The names of diseases as texts write them, in lower case, the longest first."""
    names = {" ".join(re.findall(r"[a-z0-9]+", name.lower())) for name in wordings.phenotypes}
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join('[^a-z0-9]+'.join(name.split()) for name in longest_first)})(?:e?s)?\b")
