"""Word spans that the files of a release share with restricted tables.

The files of the release are small and are kept in memory; the restricted tables, however large, stream past them.
"""

import html
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
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
# Cells of a table, texts between tags, strings: neighbours that need not belong together.
PARTS = {
    ".csv": re.compile(r'(?<=")(?:[^"]|"")+(?=")|[^,"\n]+'),
    ".json": re.compile(r'(?<=")(?:[^"\\]|\\.)+(?=")'),
    ".html": re.compile(r"(?<=>)[^<>]+(?=<)"),
    ".parquet": re.compile(r"[^\n]+"),
}


class Authored:
    """Phrases of tracked files: a cell that is wholly one of them is a name of the project's, not a note's.

    Names of phenotypes in a column would otherwise look like the list of diagnoses at the end of a note.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._is_phrase: dict[str, bool] = {}

    def add(self, text: str) -> None:
        """Add the text of a tracked file."""
        self._texts.append(f" {' '.join(words(text))} ")

    def without(self, name: str, text: str) -> str:
        """Return the text of a file with every cell that is such a phrase replaced by a break."""
        part = PARTS.get(PurePosixPath(name).suffix)
        return part.sub(lambda match: BREAK if self._has(match.group()) else match.group(), text) if part else text

    def _has(self, cell: str) -> bool:
        if cell not in self._is_phrase:
            phrase = list(words(cell))
            padded = f" {' '.join(phrase)} "
            self._is_phrase[cell] = len(phrase) >= SHORTEST_NAME and any(padded in text for text in self._texts)
        return self._is_phrase[cell]


def views(text: str) -> Iterator[str]:
    """Yield a text as it is, without tags, and without backslashes."""
    plain = ESCAPE.sub(_unescaped, text) if "\\" in text else text
    for view in dict.fromkeys((text, plain)):
        yield view
        if "<" in view:
            yield TAG.sub(" ", view)


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2] or " "


def words(text: str) -> Iterator[str]:
    """Yield the words of a text regardless of case, punctuation, HTML entities and variants of a letter."""
    if "&" in text:
        # Twice: a page that quotes a page.
        text = html.unescape(html.unescape(text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.replace("\xad", "").replace("\u200b", ""))
    return (match.group() for match in WORD.finditer(text.casefold()))


class Spans:
    """Spans of SPAN words, with the numbers of the files that hold them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._files: dict[int, tuple[int, ...]] = {}

    def add(self, file: int, text: str) -> None:
        """Add all spans of a text of a file."""
        for view in views(text):
            for word in words(view):
                self._numbers.setdefault(word, len(self._numbers))
            for _, span in self._spans(view):
                known = self._files.get(span, ())
                if file not in known:
                    self._files[span] = (*known, file)

    def hits(self, text: str) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Yield the known spans of another text: number of the first word, span, and the files that hold it."""
        for at, span in self._spans(text):
            if files := self._files.get(span):
                yield at, span, files

    def line(self, text: str, spans: set[int]) -> int | None:
        """Return the first line of a text in which one of the spans begins."""
        for view in views(text):
            at = next((at for at, span in self._spans(view) if span in spans), None)
            if at is not None:
                for number, line in enumerate(view.splitlines(), start=1):
                    at -= sum(1 for _ in words(line))
                    if at < 0:
                        return number
        return None

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        run: deque[int] = deque(maxlen=SPAN)
        for at, word in enumerate(words(text)):
            number = self._numbers.get(word)
            if number is None:
                run.clear()
            else:
                run.append(number)
                if len(run) == SPAN and len(set(run)) >= FEWEST_WORDS:
                    yield at - SPAN + 1, hash(tuple(run))
