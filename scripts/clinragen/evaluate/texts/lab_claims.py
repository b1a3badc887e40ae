"""Claims of a rationale about lab tests and vital signs: variables, each with a direction, as in the captions.

Understands the wordings of the captions ("Glucose is higher than normal 3 times"), directions before and after
variables ("high glucose, low pH", "heart rate and temperature were elevated") and words that imply both ("fever").
Denied and normal values are not claims. `hypertension` counts as a disease, not as a reading.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from clinragen.errors import UserError

Statements = set[tuple[str, str]]
"""Variables beyond a fence, each with its direction."""
HIGHER, LOWER, NORMAL = "higher", "lower", "normal"
_RANGE = r"(?:\s+(?:than\s+)?(?:the\s+)?normal(?:\s+(?:range|limits?|values?|levels?))?)?"
_WORDS = {
    "break": r"[.;:!?](?=\s|$)|\b(?:but|while|whereas|although|though|however|despite|except|apart from|other than|yet|"
    r"which|suggest\w*|indicat\w*|reflect\w*|consistent|support\w*|agree\w*|fit\w*|keeping|expected|due|because)\b",
    NORMAL: r"\b(?:(?:low|high)[\s-]normal|(?:with)?in\s+(?:the\s+)?normal\s+\w+|normal(?:\s+all\s+the\s+time)?|"
    r"unremarkable|stable|at\s+baseline)\b",
    HIGHER: r"\b(?:high(?:er|est)?|elevat\w+|raised|increas\w+|ris(?:e|es|en|ing)|rose|above|rapid|fast(?:er)?|"
    rf"accelerated|excessive|spik\w+|peaks?|peaked|exceed\w*){_RANGE}\b",
    LOWER: r"\b(?:low(?:er|est)?|reduc\w+|decreas\w+|depressed|below|drop(?:s|ped|ping)?|fall(?:s|ing)?|fell|"
    rf"slow(?:ed)?|declin\w+|diminished|dip(?:s|ped)?){_RANGE}\b",
    "denial": r"\b(?:no|not|without|never|neither|nor|absence\s+of|absent|denie[sd]|free\s+of|rather\s+than|"
    r"lack(?:s|ed|ing)?(?:\s+of)?)\b|n't\b",
    "verb": r"\b(?:is|are|was|were|be|been|being|remain(?:s|ed)?|stay(?:s|ed)?|bec[oa]mes?|r[au]n|runs|appears?|seems?|"
    r"show(?:s|ed)?|trended|measured|ha[sd]|have)\b",
    "and": r"[,/&]|\b(?:and|or|with|plus|as\s+well\s+as|together|along|accompanied)\b",
    "filler": r"\b(?:\d[\d.,]*|times?|of|in|the|a|an|at|by|to|episodes?|repeatedly|persistently|consistently|mmhg|bpm|"
    r"values?|levels?|readings?|abnormally|markedly|slightly|very|more|than|both|also|several|many|occasional|repeated|"
    r"occasionally)\b|[%()]",
    "word": r"[^\s.,;:!?/&()%]+|\S",
}
_PLURAL = {"are", "were", "have"}
NEAR = 3
"""Most words between a direction and the variable after it."""
AROUND = 60
"""Characters of an excerpt on either side of a claim."""


class Claim(NamedTuple):
    """The claim that a variable, or one of several, was beyond its fence."""

    variables: tuple[str, ...]
    direction: str

    def __str__(self) -> str:
        return f"{' or '.join(self.variables)} {self.direction}"

    def holds(self, statements: Statements) -> bool:
        """Return whether the statements contain the claim for one of its variables."""
        return any((variable, self.direction) in statements for variable in self.variables)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class Wording:
    """The variables that some words may mean, and the direction that they imply, if any."""

    variables: tuple[str, ...]
    direction: str | None


@dataclass(frozen=True)
class LabWordings:
    """The words, in lower case, by which texts name variables."""

    wordings: dict[str, Wording]

    def claims(self, text: str) -> dict[Claim, str]:
        """Return the claims of a text, each once, with the text around its first occurrence."""
        claims: dict[Claim, str] = {}
        for claim, start in _Reader(list(self._tokens(text)), self.wordings).read():
            claims.setdefault(claim, text[max(0, start - AROUND) : start + AROUND].strip())
        return claims

    def words_for(self, claim: Claim) -> list[str]:
        """Return the words by which a text can make a claim."""
        return [
            words
            for words, wording in self.wordings.items()
            if wording.variables == claim.variables and wording.direction in (None, claim.direction)
        ]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.wordings, key=len, reverse=True)
        names = "|".join(r"[\s-]+".join(map(re.escape, words.split())) for words in longest_first)
        groups = {"name": rf"\b(?:{names})s?\b"} | _WORDS
        return re.compile("|".join(f"(?P<{kind}>{words})" for kind, words in groups.items()), re.IGNORECASE)

    def _tokens(self, text: str) -> Iterator[_Token]:
        for match in self._pattern.finditer(text):
            yield _Token(match.lastgroup or "word", re.sub(r"[\s-]+", " ", match.group().lower()), match.start())


def read_lab_wordings(path: Path, variables: Sequence[str]) -> LabWordings:
    """Read the wordings of these variables from resources/lab_wordings.csv; UserError if a row is invalid."""
    wordings = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row.get("wording") or not row.get("variables") or row.get("direction") not in ("", HIGHER, LOWER):
                raise UserError(
                    f"{path}: {row} lacks a wording or variables, or its direction is not empty, {HIGHER} or {LOWER}; "
                    "restore it with git checkout"
                )
            meant = tuple(name for name in row["variables"].split("|") if name in variables)
            if meant:
                wordings[row["wording"]] = Wording(meant, row["direction"] or None)
    return LabWordings(wordings)


@dataclass
class _Mention:
    """A variable in the text, the position of its name, and the directions that the text gives it."""

    wording: Wording
    start: int
    directions: set[str] = field(default_factory=set)


@dataclass
class _Reader:
    """A parser that reads tokens from left to right and assigns directions to variables clause by clause."""

    tokens: list[_Token]
    wordings: dict[str, Wording]
    mentions: list[_Mention] = field(default_factory=list)
    group: list[_Mention] = field(default_factory=list)  # coordinated variables, as in "A, B and C"
    subjects: list[_Mention] = field(default_factory=list)  # of the last verb
    predicated: bool = False  # whether a direction follows that verb
    direction: str | None = None  # precedes the variables that it describes
    denied: bool = False
    apart: bool = False  # whether a comma or conjunction follows the denial
    joint: str | None = None  # last comma or conjunction since the last variable or direction
    words: int = 0  # since the same

    def read(self) -> Iterator[tuple[Claim, int]]:
        """Yield the claims, with the position of each in the text."""
        for index, token in enumerate(self.tokens):
            self._next(token, index)
        for mention in self.mentions:
            for direction in sorted(mention.directions):
                yield Claim(mention.wording.variables, direction), mention.start

    def _next(self, token: _Token, index: int) -> None:
        if token.kind == "break":
            self.group, self.subjects, self.direction, self.denied = [], [], None, False
        elif token.kind == "denial":
            self._deny()
        elif token.kind == "verb":
            self._verb(token.text in _PLURAL)
        elif token.kind in (HIGHER, LOWER, NORMAL):
            self._direct(token.kind, self._precedes_variable(index))
        elif token.kind == "name":
            self._name(token)
        if token.kind == "and":
            self.joint, self.words, self.apart = token.text, 0, True
        elif token.kind == "word":
            self.words += 1
        elif token.kind != "filler":
            self.joint, self.words = None, 0

    def _deny(self) -> None:
        """Deny the claims that follow, and those of the verb's subject: "fever was absent"."""
        self.denied, self.apart = True, False
        for mention in () if self.predicated else self.subjects:
            mention.directions.clear()

    def _verb(self, plural: bool) -> None:
        """Make the preceding variables the subject, or only the last one if an adjective already describes them."""
        if not self.group:
            return
        self.denied = self.denied and not self.apart
        described = any(mention.directions for mention in self.group)
        self.subjects = self.group[-1:] if described and not plural else self.group
        self.direction, self.predicated = None, False

    def _direct(self, direction: str, before_variable: bool) -> None:
        """Keep a direction for the variables after it, or give it to the subject before it."""
        if not before_variable and not self.subjects and self.group and not self.joint and not self.words:
            self._verb(plural=False)  # "glucose high"
        if before_variable or not self.subjects:
            self.denied = self.denied and not (before_variable and self.joint in ("and", "with", "plus"))
            self.group, self.subjects, self.direction = [], [], direction
            return
        for mention in self.subjects:
            if not self.predicated:
                mention.directions.clear()  # "high glucose and pH was low"
            mention.directions |= {direction} if direction != NORMAL and not self.denied else set()
        self.group, self.predicated = [], True

    def _name(self, token: _Token) -> None:
        """Add a variable, with the direction that it implies or that precedes it."""
        wording = self._wording(token)
        mention = _Mention(wording, token.start)
        self.mentions.append(mention)
        continues_group = bool(self.group) and self.joint is not None and self.words <= 1
        if not (continues_group or (not self.group and self.words <= NEAR)):
            self.group, self.direction = [], None
        direction = wording.direction or self.direction
        if direction in (HIGHER, LOWER) and not self.denied:
            mention.directions.add(direction)
        if wording.direction:
            self.direction, self.group = None, []
        self.group.append(mention)
        self.subjects, self.predicated = [], False

    def _wording(self, token: _Token) -> Wording:
        return self.wordings.get(token.text) or self.wordings[token.text.removesuffix("s")]

    def _precedes_variable(self, index: int) -> bool:
        """Return whether a variable follows within NEAR words."""
        words = 0
        for token in self.tokens[index + 1 :]:
            words += token.kind == "word"
            if token.kind not in ("word", "filler") or words > NEAR:
                return token.kind == "name"
        return False
