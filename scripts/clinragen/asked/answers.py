"""Parser of free-form answers: the diagnoses and the rationale in the text of an untrained language model."""

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
_INLINE = re.compile(r"(?<![,;\s])[,;\s]+(?=\(?\d{1,2}[.)][ \t])")  # before a numbered item within a line
_EXPLANATION = re.compile(r":(?:\s|$)|\s[-–—]\s|\.\s")  # ends the name at the beginning of an item
_KEYS = re.compile(r"diagnos|disease|condition|name", re.IGNORECASE)
# Words of a sentence and code characters, which no name of a disease contains.
_NO_NAME = re.compile(r"\b(?:is|are|was|were|has|have|had|may|can|cannot|should|i|we|he|she|it)\b|[{}\[\]<>=|]")
_LONGEST_NAME = 8  # words of a name that is not a phenotype
_MOST_STARTS = 10  # attempts to read JSON in one answer
_NONE = frozenset(
    {NO_DISEASE, "none", "n/a", "no disease", "no diseases", "no diagnosis", "no diagnoses", "no disease diagnosed"}
)


def parse_answer(text: str, phenotypes: Sequence[str]) -> Parsed:
    """Return diagnoses and note rationale of an answer, whatever its text.

    The diagnoses are parsed as the format of students, then as JSON, then as a list with bullets or numbers, then as
    names between commas, semicolons or line breaks. The first format that yields names, or a statement that there are
    none, counts.
    """
    diagnoses, rationale = _parts(text)
    exact = parse_output(
        diagnoses if DIAGNOSES.lower() in diagnoses.lower() else f"{DIAGNOSES} {diagnoses}", phenotypes
    )
    if exact.readable and not exact.unknown:
        return Parsed(exact.phenotypes, [], rationale, None)
    section = _INLINE.sub("\n", _after_heading(diagnoses))
    for names in (_json_names(section), _listed_names(section), _plain_names(section, phenotypes)):
        diseases, unknown, says_none = _matched(names, phenotypes)
        if diseases or unknown or says_none:
            # "Based on the note, no disease was diagnosed" contains no name.
            return Parsed(diseases, unknown if diseases or not says_none else [], rationale, None)
    # A sentence that uses the wording of the question for no disease.
    return Parsed([], [], rationale, None, readable=NO_DISEASE in normal_name(section))


def _parts(text: str) -> tuple[str, str | None]:
    """Return the text before and after the heading of the rationale; None without one."""
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
    """Return the names in the first JSON value that contains any."""
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
        yield from (key for key, flag in value.items() if flag is True)
        named = [item for key, item in value.items() if _KEYS.search(key)]
        for item in named or value.values():
            yield from _strings(item) if item != [] else [NO_DISEASE]


def _listed_names(text: str) -> list[str]:
    """Return the beginnings of bulleted or numbered items, without explanations; sentences are omitted."""
    items = (_EXPLANATION.split(_without_markup(item), maxsplit=1)[0] for item in _ITEM.findall(text))
    return [item for item in items if not _NO_NAME.search(item.lower())]


def _plain_names(text: str, phenotypes: Sequence[str]) -> list[str]:
    """Return the lines of names; with sentences among them, only next to a line that names a phenotype."""
    lines = [line for line in _without_markup(text).splitlines() if line.strip() and not line.rstrip().endswith(":")]
    matches = {line: _matched([line], phenotypes) for line in lines}
    names = [line for line in lines if not any(map(_is_sentence, matches[line][1]))]
    return names if names == lines or any(matches[line][0] for line in names) else []


def _is_sentence(name: str) -> bool:
    return bool(_NO_NAME.search(name)) or len(name.split()) > _LONGEST_NAME


def _matched(names: Sequence[str], phenotypes: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """Return phenotypes in the benchmark's order, other names, and whether the text states that there is none.

    Names of phenotypes contain semicolons, which prompts replace by commas; both also separate names. Pieces between
    separators are therefore joined where together they are a phenotype.
    """
    names_by_pieces = _by_pieces(tuple(phenotypes))
    longest = max(map(len, names_by_pieces), default=1)
    matches: set[str] = set()
    unknown: dict[str, None] = {}
    says_none = False
    for pieces in map(_pieces, names):
        start = 0
        while start < len(pieces):
            sizes = (n for n in range(longest, 0, -1) if tuple(pieces[start : start + n]) in names_by_pieces)
            size = next(sizes, 0)
            if size:
                matches.add(names_by_pieces[tuple(pieces[start : start + size])])
            elif pieces[start] in _NONE:
                says_none = True
            else:
                names_of_piece, others = read_names(pieces[start], phenotypes)
                matches |= set(names_of_piece)
                unknown |= dict.fromkeys(other for other in others if re.search("[a-z]", other))
            start += size or 1
    return [p for p in phenotypes if p in matches], list(unknown), says_none


@cache
def _by_pieces(phenotypes: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    return {tuple(_pieces(name)): name for name in phenotypes}


def _pieces(text: str) -> list[str]:
    parts = (normal_name(part.strip(" \"'*_`")) for part in re.split(r"[,;\n]", text))
    return [part.removeprefix("and ") for part in parts if part]


def _without_markup(text: str) -> str:
    return re.sub(r"[*_`#]+", "", text)
