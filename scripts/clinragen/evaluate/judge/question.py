"""The question to a judge about one rationale, and the ratings in its answer: read strictly, never guessed."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from clinragen.evaluate.judge.items import Item
from clinragen.llm.prompt import Prompt, read_prompt
from clinragen.llm.request import Request
from clinragen.rationale.prompts import named
from clinragen.schemas.ratings import CRITERIA

SLOTS = {"case", "note", "captions", "diagnoses", "note_rationale", "lab_rationale"}
NO_TEXT = "(none)"
SCALE = (1, 2, 3, 4, 5)
FIELDS = ("case", "reason", *CRITERIA)
# The form of an answer, for servers that can be held to one; they write the properties in this order.
RESPONSE_SCHEMA = {
    "type": "object",
    "properties": {
        "case": {"type": "string"},
        "reason": {"type": "string"},
        **{name: {"type": "integer", "enum": list(SCALE)} for name in CRITERIA},
    },
    "required": list(FIELDS),
    "additionalProperties": False,
}
_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n\s*```\Z", re.DOTALL)
_MARK = re.compile(
    r"</?(?:medical_note|lab_test_descriptions|diagnosed_diseases|rationale_from_(?:note|lab_tests))>", re.IGNORECASE
)


class Unreadable(Exception):
    """An answer without ratings, and why."""


def read_judge_prompt(path: Path) -> Prompt:
    """The prompt for ratings."""
    return read_prompt(path, SLOTS)


def judge_request(prompt: Prompt, item: Item) -> Request:
    """The question about one rationale; nothing in it says which system wrote the text, or which stay it is."""
    sample = item.sample
    texts = {
        "note": _shown(sample.note),
        "captions": _shown(sample.captions),
        "note_rationale": _shown(item.note_rationale),
        "lab_rationale": _shown(item.lab_rationale),
    }
    case = case_name("\n".join((*texts.values(), *sample.diagnoses)))
    text = prompt.render(
        case=case, diagnoses=named(sample.diagnoses), **{name: text or NO_TEXT for name, text in texts.items()}
    )
    slots = {"case": case, "diagnoses": sample.diagnoses, **texts}
    return Request("judge", text, prompt.version, slots, RESPONSE_SCHEMA)


def case_name(text: str) -> str:
    """What an answer must repeat, so that one about another rationale is noticed: a hash of what is shown."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _shown(text: str) -> str:
    """A text as the prompt has it: in one line, and without the marks that end it there."""
    return " ".join(_MARK.sub(" ", text).split())


def check_ratings(request: Request, text: str) -> list[str]:
    """What is wrong with an answer: why its ratings cannot be read."""
    try:
        read_ratings(text, request.slots["case"])
    except Unreadable as error:
        return [str(error)]
    return []


def read_ratings(text: str, case: str) -> dict[str, Any]:
    """Reason and ratings of an answer about a case, by field (`FIELDS`); Unreadable says why there are none.

    The text must be one JSON object, at most in a code fence, with exactly the fields asked for, the reason before the
    ratings, and whole numbers from 1 to 5. Everything else is refused: prose around it, "4/5", "4", 4.0, 0, 6, true.
    """
    fenced = _FENCE.match(text.strip())
    try:
        pairs = json.loads(fenced[1] if fenced else text, object_pairs_hook=_Pairs, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unreadable("it is not one JSON object") from None
    if not isinstance(pairs, _Pairs):
        raise Unreadable("it is not one JSON object")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("a field occurs twice")
    if lacking := [name for name in FIELDS if name not in found]:
        raise Unreadable(f"fields are missing: {', '.join(lacking)}")
    if len(found) > len(FIELDS):
        raise Unreadable("it has fields that were not asked for")
    if found["case"] != case:
        raise Unreadable("it is about another case")
    if not isinstance(found["reason"], str) or not found["reason"].strip():
        raise Unreadable("it gives no reason")
    if wrong := [name for name in CRITERIA if type(found[name]) is not int or found[name] not in SCALE]:
        raise Unreadable(f"not a whole number from 1 to 5: {', '.join(wrong)}")
    order = [name for name, _ in pairs]
    if any(order.index(name) < order.index("reason") for name in CRITERIA):
        raise Unreadable("a rating comes before the reason")
    return {name: found[name] for name in FIELDS if name != "case"}


class _Pairs(list[tuple[str, Any]]):
    """The fields of a JSON object in their order."""


def _refuse(constant: str) -> None:
    """NaN and Infinity, which are no JSON."""
    raise ValueError(constant)
