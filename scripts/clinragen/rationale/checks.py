"""Requirements on a rationale (from the prompts in appendix A.2)."""

import re

from clinragen.llm.request import Request
from clinragen.rationale.claims import Wordings
from clinragen.registry.phenotypes import NO_DISEASE

NOTE_OPENING = "Based on the medical notes"
LAB_OPENING = "Lab test shows"
NOTE_LENGTH = (15, 160)  # words; the prompt asks for about 100
LAB_LENGTH = (5, 50)  # words
LEAST_COVERAGE = 0.5
# Words in the names of phenotypes that are not specific to a disease.
_UNSPECIFIC = (
    "acute adult and arrest care caused chronic complications disease diseases disorder disorders essential except "
    "failure hemorrhage insufficiency labor lower medical metabolism nonhypertensive other procedures secondary "
    "sexually than that transmitted tuberculosis unspecified upper with without"
)
UNSPECIFIC = frozenset(_UNSPECIFIC.split())
# Abbreviations that do not end a sentence, and those that may do so before a capital letter.
_NEVER_LAST = re.compile(
    r"(?:^|[\s(])(?:vs|e\.g|i\.e|cf|dr|drs|mr|mrs|ms|prof|st|approx|ca|fig|incl|esp|resp)\.$", re.I
)
_SELDOM_LAST = re.compile(r"(?:^|[\s(])(?:etc|a\.m|p\.m|min|max|temp|pt|no|nos|al|[a-z](?:\.[a-z])*)\.$", re.I)


def check_note(wordings: Wordings, request: Request, text: str) -> list[str]:
    """Return the problems of a note rationale R^m."""
    diagnoses = request.slots["diagnoses"]
    problems = [*_opening(text, NOTE_OPENING), *_length(text, *NOTE_LENGTH)]
    says_none = NO_DISEASE in " ".join(text.lower().split())
    if not diagnoses and not says_none:
        problems.append(f'there is no diagnosis, so it must say "{NO_DISEASE}"')
    if diagnoses and says_none:
        problems.append(f'it says "{NO_DISEASE}" although there are diagnoses')
    elif diagnoses and coverage(text, diagnoses) < LEAST_COVERAGE:
        problems.append("it mentions fewer than half of the diagnosed diseases")
    return problems + _claims(wordings, text, diagnoses)


def check_lab(wordings: Wordings, request: Request, text: str) -> list[str]:
    """Return the problems of a lab rationale R^t."""
    problems = [*_opening(text, LAB_OPENING), *_length(text, *LAB_LENGTH)]
    if sentences(text) != 1:
        problems.append("it must be one sentence")
    return problems + _claims(wordings, text, request.slots["diagnoses"])


def coverage(text: str, diagnoses: list[str]) -> float:
    """Return the share of the diagnoses of which the text has a specific word, compared by its first six letters."""
    words = {w[:6] for w in _words(text)}
    return sum(bool(specific(d) & words) for d in diagnoses) / len(diagnoses)


def specific(diagnosis: str) -> set[str]:
    """Return the first six letters of the words that distinguish a diagnosis; of all its words if none does."""
    words = _words(diagnosis)
    return {w[:6] for w in words - UNSPECIFIC} or {w[:6] for w in words}


def sentences(text: str) -> int:
    """Return the number of sentences; a full stop within a number or after an abbreviation does not end one."""
    number, start = 0, 0
    for end in re.finditer(r"[.!?]+(?=\s|$)", text):
        before, after = text[start : end.end()], text[end.end() :].lstrip()
        if not re.search(r"\w", before) or (after and _continues(before, after)):
            continue
        number, start = number + 1, end.end()
    return number + bool(re.search(r"\w", text[start:]))


def _continues(before: str, after: str) -> bool:
    """Return whether the full stop at the end of `before` belongs to an abbreviation within a sentence."""
    return bool(_NEVER_LAST.search(before) or (_SELDOM_LAST.search(before) and not after[0].isupper()))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def _opening(text: str, opening: str) -> list[str]:
    return [] if text.strip().lower().startswith(opening.lower()) else [f'it must start with "{opening}"']


def _length(text: str, least: int, most: int) -> list[str]:
    return [] if least <= len(text.split()) <= most else [f"it must have {least} to {most} words"]


def _claims(wordings: Wordings, text: str, diagnoses: list[str]) -> list[str]:
    claimed = wordings.claimed(text, diagnoses)
    return [f"it claims a diagnosis that was not given: {', '.join(claimed)}"] if claimed else []
