"""Search for the names of phenotypes in hospital courses.

The phrases of a phenotype are its name and the parts of its name between semicolons, without text in
parentheses, each cleaned like a hospital course with the same settings and stop words. A course names the phenotype
where one of them occurs in it as a sequence of whole words, whatever its case and punctuation.

Nothing else is understood: no synonym, abbreviation or spelling, and no negation. "No pneumonia" names pneumonia, as
it does to a student that reads courses without their stop words.
"""

import re
from collections.abc import Iterable

from clinragen.benchmark.course import clean_course
from clinragen.config.benchmark import Course


class NameSearch:
    """The phrases that name each phenotype in courses cleaned with these settings and stop words."""

    def __init__(self, phenotypes: Iterable[str], settings: Course, stop_words: frozenset[str]) -> None:
        self.phrases = {name: phrases(name, settings, stop_words) for name in phenotypes}

    @property
    def phenotypes(self) -> list[str]:
        """The phenotypes that are searched for, in their order."""
        return list(self.phrases)

    def named_in(self, course: str) -> list[str]:
        """Return the phenotypes that a cleaned course names, in their order."""
        text = f" {_words(course)} "
        return [name for name, of in self.phrases.items() if any(f" {phrase} " in text for phrase in of)]


def phrases(name: str, settings: Course, stop_words: frozenset[str]) -> set[str]:
    """Return the sequences of words that name a phenotype."""
    plain = re.sub(r"\([^)]*\)", " ", name)
    cleaned = (_words(clean_course(part, settings, stop_words)) for part in (plain, *plain.split(";")))
    return {phrase for phrase in cleaned if phrase}


def _words(text: str) -> str:
    """Return the words of a text in lower case, separated by single spaces."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
