"""The result of one check."""

from typing import Literal, NamedTuple


class Line(NamedTuple):
    """One line of `make check`: the item checked, and the finding with its remedy."""

    status: Literal["ok", "skipped", "warning", "problem"]
    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.status:<8} {self.place}: {self.words}"


def problem(place: str, words: str) -> Line:
    """Return a line about something that stops a run."""
    return Line("problem", place, words)


def ok(place: str, words: str) -> Line:
    """Return a line about a requirement that is met."""
    return Line("ok", place, words)


def judged(place: str, problems: list[str], otherwise: str) -> list[Line]:
    """Return a line per problem, or a single `ok` line if there are none."""
    return [problem(place, words) for words in problems] or [ok(place, otherwise)]
