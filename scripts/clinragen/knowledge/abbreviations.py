"""Abbreviations and their long forms: first those that documents define, then those of a table.

In documents by the rule of Schwartz and Hearst (2003): in "long form (ABBR)" every character of the abbreviation
occurs in the long form in its order, the first one at the beginning of a word.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from clinragen.errors import UserError
from clinragen.knowledge.wording import canonical

# Common words, not abbreviations in a text without capital letters.
_COMMON = """
    all an and are as at be but by can for had has he her if in is it its no not of on or she so to up us was we
"""
WORDS = frozenset(_COMMON.split())
DEFINITION = re.compile(r"\(([A-Za-z0-9]{2,10})\)")


def read_abbreviations(path: Path) -> dict[str, str]:
    """Read the long form by abbreviation in lower case, from resources/knowledge/abbreviations.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [((row["abbreviation"] or "").lower(), row["long_form"] or "") for row in csv.DictReader(file)]
    wrong = [
        short for short, long in rows if not re.fullmatch(r"[a-z0-9]{2,}", short) or short in WORDS or not long.strip()
    ]
    wrong += [short for short, count in Counter(short for short, _ in rows).items() if count > 1]
    if wrong:
        raise UserError(
            f"{path}: expected abbreviations of letters and digits, no common words, one long form each; "
            f"correct {wrong}"
        )
    return dict(rows)


def long_forms(texts: Iterable[str], table: Mapping[str, str]) -> dict[str, str]:
    """Return the canonical long form by abbreviation, for the texts on one phenotype in any order.

    The definition of most texts counts, ties by name; the table fills the rest. An abbreviation whose long form
    contains another one is left out, so that one replacement is enough.
    """
    counts: dict[str, Counter[str]] = {}
    for text in texts:
        for short, long in defined(text):
            counts.setdefault(short, Counter())[long] += 1
    canonical_forms = {short: canonical(long, {}) for short, long in table.items()}
    canonical_forms |= {short: min(longs, key=lambda long: (-longs[long], long)) for short, longs in counts.items()}
    return {short: long for short, long in canonical_forms.items() if canonical_forms.keys().isdisjoint(long.split())}


def defined(text: str) -> set[tuple[str, str]]:
    """Return abbreviations in lower case and canonical long forms that a text defines."""
    pairs = set()
    for match in DEFINITION.finditer(text):
        short = re.sub(r"(?<=[A-Z0-9])s$", "", match[1])
        if sum(character.isupper() for character in short) < 2 or short.lower() in WORDS:
            continue
        sentence = re.split(r"[.;:()]\s", text[: match.start()])[-1]
        words = sentence.split()[-min(len(short) + 5, 2 * len(short)) :]
        if long := _long_form(short, " ".join(words)):
            pairs.add((short.lower(), canonical(long, {})))
    return pairs


def _long_form(short: str, before: str) -> str | None:
    """Return the shortest end of a text whose characters spell the abbreviation."""
    position = len(before)
    for number, character in reversed(list(enumerate(short.lower()))):
        position -= 1
        while position >= 0 and not _fits(before, position, character, number == 0):
            position -= 1
        if position < 0:
            return None
    long = before[position:]
    return long if len(long) > len(short) and short.lower() not in long.lower().split() else None


def _fits(text: str, position: int, character: str, first: bool) -> bool:
    begins = position == 0 or not text[position - 1].isalnum()
    return text[position].lower() == character and (begins or not first)
