"""What a language model that nobody trained to a format answers, read as diagnoses and a rationale."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from clinragen.model.target_codec import DIAGNOSES, Parsed, normal_name, parse_output, read_names
from clinragen.registry.phenotypes import NO_DISEASE

_MARKUP = r"[ \t#>*_`]*"
_RATIONALE = re.compile(rf"^{_MARKUP}(?:note |medical note-based )?rationale{_MARKUP}:", re.IGNORECASE | re.MULTILINE)
_HEADING = re.compile(rf"^{_MARKUP}(?:diagnos[a-z]+(?: diseases)?|diseases){_MARKUP}:", re.IGNORECASE | re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+•–]|\(?\d{1,3}[.):])[ \t]+(.*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<![,;\s])[,;\s]+(?=\(?\d{1,2}[.)][ \t])")  # before a numbered item on the line of another
_EXPLANATION = re.compile(r":(?:\s|$)|\s[-–—]\s|\.\s")  # ends the name at the beginning of an item
_KEYS = re.compile(r"diagnos|disease|condition|name", re.IGNORECASE)
# Words of a sentence and marks of a program, which no name of a disease has.
_NO_NAME = re.compile(r"\b(?:is|are|was|were|has|have|had|may|can|cannot|should|i|we|he|she|it)\b|[{}\[\]<>=|]")
_LONGEST_NAME = 8  # words of a name that is no phenotype
_MOST_STARTS = 10  # of JSON in one answer
_NONE = frozenset(
    {NO_DISEASE, "none", "n/a", "no disease", "no diseases", "no diagnosis", "no diagnoses", "no disease diagnosed"}
)


def parse_answer(text: str, phenotypes: Sequence[str]) -> Parsed:
    """Diagnoses and note rationale of an answer; never raises.

    The diagnoses are read as the format of students, then as JSON, then as a list with bullets or numbers, then as
    names between commas, semicolons or line breaks; the first reading that finds names, or that there are none, counts.
    """
    diagnoses, rationale = _parts(text)
    exact = parse_output(
        diagnoses if DIAGNOSES.lower() in diagnoses.lower() else f"{DIAGNOSES} {diagnoses}", phenotypes
    )
    if exact.readable and not exact.unknown:
        return Parsed(exact.phenotypes, [], rationale, None)
    section = _INLINE.sub("\n", _after_heading(diagnoses))
    for names in (_json_names(section), _listed_names(section), _plain_names(section, phenotypes)):
        found, unknown, says_none = _matched(names, phenotypes)
        if found or unknown or says_none:
            # "Based on the note, no disease was diagnosed" names none.
            return Parsed(found, unknown if found or not says_none else [], rationale, None)
    # A sentence that says it in the words of the question.
    return Parsed([], [], rationale, None, readable=NO_DISEASE in normal_name(section))


def _parts(text: str) -> tuple[str, str | None]:
    """The answer before and after the mark of the rationale; None where it has none."""
    students = re.search(r"\bnote\s+rationale\s*:", text, re.IGNORECASE)
    mark = _RATIONALE.search(text) or students
    if mark is None:
        return text, None
    rationale = re.sub(r"^[\s*_`]+", "", text[mark.end() :])
    return text[: mark.start()], " ".join(rationale.split()) or None


def _after_heading(text: str) -> str:
    heading = _HEADING.search(text)
    return text[heading.end() :] if heading else text


def _json_names(text: str) -> list[str]:
    """Names in the first JSON that holds any."""
    for start in islice(re.finditer(r"[\[{]", text), _MOST_STARTS):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, start.start())
            names = [name for name in _strings(value) if name.strip()]
        except (ValueError, RecursionError):
            continue
        if names or value in ([], {}):
            return names or [NO_DISEASE]
    return []


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        yield from (key for key, chosen in value.items() if chosen is True)
        named = [item for key, item in value.items() if _KEYS.search(key)]
        for item in named or value.values():
            yield from _strings(item) if item != [] else [NO_DISEASE]


def _listed_names(text: str) -> list[str]:
    """The beginnings of bulleted or numbered items, without what explains them; sentences are left out."""
    items = (_EXPLANATION.split(_without_markup(item), maxsplit=1)[0] for item in _ITEM.findall(text))
    return [item for item in items if not _NO_NAME.search(item.lower())]


def _plain_names(text: str, phenotypes: Sequence[str]) -> list[str]:
    """Lines of names; none of them if one is a sentence."""
    lines = [line for line in _without_markup(text).splitlines() if line.strip() and not line.rstrip().endswith(":")]
    for line in lines:
        _, unknown, _ = _matched([line], phenotypes)
        if any(_NO_NAME.search(name) or len(name.split()) > _LONGEST_NAME for name in unknown):
            return []
    return lines


def _matched(names: Sequence[str], phenotypes: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """Phenotypes in the benchmark's order, other names, and whether it is said that there is none.

    Names of phenotypes hold semicolons, for which prompts write commas; both also separate names. So pieces between
    them are joined again where together they are a phenotype.
    """
    known = _by_pieces(tuple(phenotypes))
    longest = max(map(len, known), default=1)
    found: set[str] = set()
    unknown: dict[str, None] = {}
    says_none = False
    for pieces in map(_pieces, names):
        start = 0
        while start < len(pieces):
            sizes = (n for n in range(longest, 0, -1) if tuple(pieces[start : start + n]) in known)
            size = next(sizes, 0)
            if size:
                found.add(known[tuple(pieces[start : start + size])])
            elif pieces[start] in _NONE:
                says_none = True
            else:
                names_of_piece, others = read_names(pieces[start], phenotypes)
                found |= set(names_of_piece)
                unknown |= dict.fromkeys(other for other in others if re.search("[a-z]", other))
            start += size or 1
    return [p for p in phenotypes if p in found], list(unknown), says_none


@cache
def _by_pieces(phenotypes: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    return {tuple(_pieces(name)): name for name in phenotypes}


def _pieces(text: str) -> list[str]:
    parts = (normal_name(part.strip(" \"'*_`")) for part in re.split(r"[,;\n]", text))
    return [part.removeprefix("and ") for part in parts if part]


def _without_markup(text: str) -> str:
    return re.sub(r"[*_`#]+", "", text)
