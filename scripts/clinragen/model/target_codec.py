"""What the student writes: diagnoses first, then the rationales. Written and parsed here only."""

import re
from dataclasses import dataclass

from clinragen.registry.phenotypes import NO_DISEASE

DIAGNOSES = "Diagnoses:"
NOTE_RATIONALE = "Note rationale:"
LAB_RATIONALE = "Lab rationale:"
# Tokenizers may move white space around words and punctuation.
_MARKERS = re.compile(r"\b(?:diagnoses|note\s+rationale|lab\s+rationale)\s*:", re.IGNORECASE)
SECTIONS = ("diagnoses", "note rationale", "lab rationale")
"""The parts of a target, D, R^m and R^t, in their order."""


@dataclass(frozen=True)
class Parsed:
    """The parts of an output; `unknown` are names that are no phenotype.

    It is `readable` if it names diseases, known or not, or says that there is none.
    """

    phenotypes: list[str]
    unknown: list[str]
    note_rationale: str | None
    lab_rationale: str | None
    readable: bool = True


def write_target(phenotypes: list[str], note_rationale: str | None = None, lab_rationale: str | None = None) -> str:
    """Target text; a rationale that is None is left out (phase 2 has no note, an ablation neither)."""
    parts = [f"{DIAGNOSES} {', '.join(phenotypes) or NO_DISEASE}."]
    for marker, rationale in ((NOTE_RATIONALE, note_rationale), (LAB_RATIONALE, lab_rationale)):
        if rationale is not None:
            parts.append(f"{marker} {_clean(_without_markers(rationale))}")
    return " ".join(parts)


def sections_of_tokens(target: str, spans: list[tuple[int, int]]) -> list[int]:
    """Index into SECTIONS of each token, given where its characters are; tokens without any go with the one before."""
    starts = [(mark.start(), SECTIONS.index(_marker_name(mark))) for mark in _MARKERS.finditer(target)]
    found, section = [], 0
    for begin, end in spans:
        if begin < end:
            section = max((s for s in starts if s[0] < end), default=(0, 0))[1]
        found.append(section)
    return found


def parse_output(text: str, phenotypes: list[str]) -> Parsed:
    """Parts of an output. A phenotype counts if the disease section contains its complete name.

    Case, white space and punctuation at the ends do not matter; order is the benchmark's (ambiguity 20).
    """
    marks = list(_MARKERS.finditer(text))
    sections: dict[str, str] = {}
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        sections.setdefault(_marker_name(mark), text[mark.end() : end])
    names = [normal_name(n) for n in sections.get("diagnoses", "").split(",")]
    known = {normal_name(p): p for p in phenotypes}
    found = {known[n] for n in names if n in known}
    note, lab = sections.get("note rationale"), sections.get("lab rationale")
    return Parsed(
        [p for p in phenotypes if p in found],
        [n for n in names if n and n not in known and n != NO_DISEASE],
        None if note is None else _clean(note),
        None if lab is None else _clean(lab),
        readable=any(names),
    )


def _marker_name(mark: re.Match[str]) -> str:
    return _clean(mark.group().rstrip(": ")).lower()


def _without_markers(rationale: str) -> str:
    """A marker inside a rationale would end it early; taking one out may leave another."""
    while _MARKERS.search(rationale):
        rationale = _MARKERS.sub(" ", rationale)
    return rationale


def _clean(text: str) -> str:
    return " ".join(text.split())


def normal_name(name: str) -> str:
    """The name of a disease as it is compared: case, white space and punctuation at its ends do not matter."""
    # Sentence pieces may stand apart from punctuation: "( adult )", "failure ; insufficiency".
    name = re.sub(r"\s*([;()])\s*", r"\1", _clean(name).lower())
    return name.strip(" .:;")
