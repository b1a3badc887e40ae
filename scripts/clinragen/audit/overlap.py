"""Word spans that the files of a release share with restricted tables.

The files of the release are small and are kept in memory; the restricted tables, however large, stream past them.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

SPAN = 8
# A span with fewer different words is a repetition, as weak models write them.
FEWEST_WORDS = 3
# Words in a row that an authored text may share with a real note by chance or as a stock phrase.
LONGEST_STOCK_PHRASE = 19
SHORTEST_NAME = 3
BREAK = " 0break0 "
WORD = re.compile(r"[^\W_]+")
TAG = re.compile(r"<[^<>]*>")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"'/\\])|[nrtbf])")
# Cells of a table, texts between tags, attributes, strings: neighbours that need not belong together.
PARTS = {
    ".csv": re.compile(r'(?<=")(?:[^"]|"")+(?=")|[^,"\n]+'),
    ".json": re.compile(r'(?<=")(?:[^"\\]|\\.)+(?=")'),
    ".html": re.compile(r'(?<=>)[^<>]+(?=<)|(?<==")[^"<>]+(?=")'),
    ".parquet": re.compile(r"[^\n]+"),
}


class Authored:
    """Phrases of tracked files: a cell that is wholly one of them is a name of the project's, not a note's.

    Names of phenotypes in a column would otherwise look like the list of diagnoses at the end of a note.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._places: dict[tuple[str, ...], set[int]] = {}
        """Numbers of the texts with some words in a row."""
        self._is_phrase = cache(self._has)

    def add(self, text: str) -> None:
        """Add the text of a tracked file."""
        own = words(text)
        for run in runs_of(own, SHORTEST_NAME):
            self._places.setdefault(run, set()).add(len(self._texts))
        self._texts.append(f" {' '.join(own)} ")

    def without(self, name: str, text: str) -> str:
        """Return the text of a file with every cell that is such a phrase replaced by a break."""
        part = PARTS.get(PurePosixPath(name).suffix)
        return part.sub(lambda m: BREAK if self._is_phrase(m.group()) else m.group(), text) if part else text

    def _has(self, cell: str) -> bool:
        phrase = words(cell)
        places = [self._places.get(run, set()) for run in runs_of(phrase, SHORTEST_NAME)]
        padded = f" {' '.join(phrase)} "
        return bool(places) and any(padded in self._texts[number] for number in set.intersection(*places))


def views(text: str) -> Iterator[str]:
    """Yield a text as it is, without tags, and without backslashes."""
    plain = ESCAPE.sub(_unescaped, text) if "\\" in text else text
    for view in dict.fromkeys((text, plain)):
        yield view
        if "<" in view:
            yield TAG.sub(" ", view)


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2] or " "


def words(text: str) -> list[str]:
    """Return the words of a text regardless of case, punctuation, HTML entities and variants of a letter."""
    if "&" in text:
        # Twice: a page that quotes a page.
        text = html.unescape(html.unescape(text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.replace("\xad", "").replace("\u200b", ""))
    return WORD.findall(text.casefold())


def runs_of(text: list[str], length: int) -> Iterator[tuple[str, ...]]:
    """Return all runs of so many consecutive words."""
    return zip(*(text[start:] for start in range(length)), strict=False)


class Spans:
    """Hashes of spans of SPAN words, with the numbers of the files that hold them."""

    def __init__(self) -> None:
        self._files: dict[int, tuple[int, ...]] = {}
        self._texts: dict[int, list[str]] = {}

    def add(self, file: int, text: str) -> None:
        """Add all spans of a text of a file."""
        for view in views(text):
            self._texts.setdefault(file, []).append(view)
            for span in map(hash, runs_of(words(view), SPAN)):
                known = self._files.get(span, ())
                if file not in known:
                    self._files[span] = (*known, file)

    def hits(self, text: str) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Yield the known spans of another text: number of the first word, span, and the files that hold it."""
        for at, span in enumerate(runs_of(words(text), SPAN)):
            files = self._files.get(hash(span))
            if files and len(set(span)) >= FEWEST_WORDS:
                yield at, hash(span), files

    def line(self, file: int, spans: set[int]) -> int | None:
        """Return the first line of a file in which one of the spans begins."""
        for view in self._texts[file]:
            at = next((at for at, span in enumerate(runs_of(words(view), SPAN)) if hash(span) in spans), None)
            if at is not None:
                for number, line in enumerate(view.splitlines(), start=1):
                    at -= len(words(line))
                    if at < 0:
                        return number
        return None
