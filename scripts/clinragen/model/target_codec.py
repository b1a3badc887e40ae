"""The text that a student writes: diagnoses and rationales, in either order. Only this module writes and parses it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from clinragen.registry.phenotypes import NO_DISEASE

DIAGNOSES = "Diagnoses:"
NOTE_RATIONALE = "Note rationale:"
LAB_RATIONALE = "Lab rationale:"
# Tokenizers may move white space around words and punctuation.
_MARKERS = re.compile(r"\b(?:diagnoses|note\s+rationale|lab\s+rationale)\s*:", re.IGNORECASE)
_AND = re.compile(r"(?:^|\s|(?<=\)))and(?:\s|$)")
SECTIONS = ("diagnoses", "note rationale", "lab rationale")
"""The parts of a target, D, R^m and R^t; D is the last where the rationale comes first."""


@dataclass(frozen=True)
class Parsed:
    """The parts of an output; `unknown` are names that no phenotype has.

    It is `readable` if it names diseases, known or not, or states that there are none.
    """

    phenotypes: list[str]
    unknown: list[str]
    note_rationale: str | None
    lab_rationale: str | None
    readable: bool = True


def write_target(
    phenotypes: list[str],
    note_rationale: str | None = None,
    lab_rationale: str | None = None,
    rationale_first: bool = False,
) -> str:
    """Return the text of a target; a rationale that is None is left out (phase 2 has no note, an ablation neither)."""
    diagnoses = f"{DIAGNOSES} {', '.join(phenotypes) or NO_DISEASE}."
    parts = [
        f"{marker} {_clean(_without_markers(rationale))}"
        for marker, rationale in ((NOTE_RATIONALE, note_rationale), (LAB_RATIONALE, lab_rationale))
        if rationale is not None
    ]
    return " ".join([*parts, diagnoses] if rationale_first else [diagnoses, *parts])


def sections_of_tokens(target: str, spans: list[tuple[int, int]]) -> list[int]:
    """Return the index into SECTIONS of each token, given its span of characters; an empty span continues a section."""
    starts = [(mark.start(), SECTIONS.index(_marker_name(mark))) for mark in _MARKERS.finditer(target)]
    sections, section = [], 0
    for begin, end in spans:
        if begin < end:
            section = max((s for s in starts if s[0] < end), default=(0, 0))[1]
        sections.append(section)
    return sections


def parse_output(text: str, phenotypes: Sequence[str], cut: bool = False) -> Parsed:
    """Parse an output. A phenotype counts if the disease section names it, as `read_names` reads names.

    `cut` marks a text that ends at a limit, so that its last name may be incomplete. The phenotypes have the
    benchmark's order (ambiguity 20).
    """
    marks = list(_MARKERS.finditer(text))
    sections: dict[str, str] = {}
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        sections.setdefault(_marker_name(mark), text[mark.end() : end])
    titles = [_marker_name(mark) for mark in marks]
    cut = cut and titles[-1:] == ["diagnoses"] and titles.count("diagnoses") == 1
    names = [normal_name(n) for n in sections.get("diagnoses", "").split(",")]
    named: set[str] = set()
    unknown: list[str] = []
    for i, name in enumerate(names):
        phenotypes_of_name, others = read_names(name, phenotypes, cut and i == len(names) - 1)
        named |= set(phenotypes_of_name)
        unknown += [other for other in others if other != NO_DISEASE]
    note, lab = sections.get("note rationale"), sections.get("lab rationale")
    return Parsed(
        [p for p in phenotypes if p in named],
        unknown,
        None if note is None else _clean(note),
        None if lab is None else _clean(lab),
        readable=any(names),
    )


def diagnoses_end(text: str) -> int | None:
    """Return the position of the marker that ends the disease section; None while there is none, or if it is last."""
    pairs = pairwise(_MARKERS.finditer(text))
    return next((after.start() for mark, after in pairs if _marker_name(mark) == "diagnoses"), None)


def read_names(text: str, phenotypes: Sequence[str], cut: bool = False) -> tuple[list[str], list[str]]:
    """Return the phenotypes, and the other names, in the text between two commas, as `normal_name` normalises it.

    The text is a complete name, a shortened one (`_phenotype`), or several of them joined by "and"; complete names,
    some of which contain that word, take precedence.
    """
    by_name = _by_name(tuple(phenotypes))
    parts = [part for part in _AND.split(text) if part]
    most = max(name.count(" and ") for name in by_name) + 1 if by_name else 1
    named: list[str] = []
    others: list[list[str]] = [[]]
    start = 0
    while start < len(parts):
        for size in range(min(most, len(parts) - start), 0, -1):
            end = start + size
            name = _phenotype(" and ".join(parts[start:end]), by_name, cut and end == len(parts))
            if name:
                named.append(name)
                others.append([])
                break
        else:
            others[-1].append(parts[start])
        start += size
    return named, [" and ".join(other) for other in others if other]


SHORTEST_CUT = 6
"""Fewest letters of a name, cut by the limit of an output, that still count."""


def _phenotype(text: str, by_name: dict[str, str], cut: bool) -> str | None:
    """Return the phenotype that a text names: completely, or by a beginning that no other phenotype shares.

    A shortened name has whole words, and more than one ("hypertension" alone is rather the essential one) unless
    punctuation follows in the complete name: "pneumonia". A name that is `cut` may end anywhere.
    """
    if text in by_name:
        return by_name[text]
    names = [name for name in by_name if text and name.startswith(text)]
    if len(names) != 1:
        return None
    following = names[0][len(text)]
    whole = following in ";(" or (following == " " and " " in text)
    return by_name[names[0]] if whole or (cut and len(text) >= SHORTEST_CUT) else None


@cache
def _by_name(phenotypes: tuple[str, ...]) -> dict[str, str]:
    return {normal_name(phenotype): phenotype for phenotype in phenotypes}


def _marker_name(mark: re.Match[str]) -> str:
    return _clean(mark.group().rstrip(": ")).lower()


def _without_markers(rationale: str) -> str:
    """Remove markers, which would end a rationale early; removing one may form another."""
    while _MARKERS.search(rationale):
        rationale = _MARKERS.sub(" ", rationale)
    return rationale


def _clean(text: str) -> str:
    return " ".join(text.split())


def normal_name(name: str) -> str:
    """Normalise the name of a disease for comparison: case, white space and punctuation at its ends do not matter."""
    # Sentence pieces may be separated from punctuation: "( adult )", "failure ; insufficiency".
    name = re.sub(r"\s*([;()])\s*", r"\1", _clean(name).lower())
    return name.strip(" .:;")
