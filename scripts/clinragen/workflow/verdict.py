"""What one check found."""

from typing import Literal, NamedTuple


class Line(NamedTuple):
    """One line of `make check`: what was checked, and the fact with its remedy."""

    status: Literal["ok", "skipped", "warning", "problem"]
    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.status:<8} {self.place}: {self.words}"


def problem(place: str, words: str) -> Line:
    """Something that stops a run."""
    return Line("problem", place, words)


def ok(place: str, words: str) -> Line:
    """Something that a run needs and finds."""
    return Line("ok", place, words)


def judged(place: str, problems: list[str], otherwise: str) -> list[Line]:
    """A line per problem, or one that says that all is well."""
    return [problem(place, words) for words in problems] or [ok(place, otherwise)]
