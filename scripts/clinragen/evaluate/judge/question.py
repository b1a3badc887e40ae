"""The question to a judge about one rationale, and the strict parser of its response."""

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
# The response format, for servers that can enforce one; they write the properties in this order.
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
    """The reason why a response has no valid ratings."""


def read_judge_prompt(path: Path) -> Prompt:
    """Read the prompt for ratings."""
    return read_prompt(path, SLOTS)


def judge_request(prompt: Prompt, item: Item) -> Request:
    """Return the question about one rationale, which identifies neither the system nor the stay."""
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
    """Return a hash of the shown texts, which a response must repeat, so that a mixed-up response is noticed."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _shown(text: str) -> str:
    """Return a text on one line, without the tags that would end it in the prompt."""
    return " ".join(_MARK.sub(" ", text).split())


def check_ratings(request: Request, text: str) -> list[str]:
    """Return why the ratings of a response cannot be read, or an empty list."""
    try:
        read_ratings(text, request.slots["case"])
    except Unreadable as error:
        return [str(error)]
    return []


def read_ratings(text: str, case: str) -> dict[str, Any]:
    """Return the reason and ratings in a response about a case, by field (`FIELDS` without `case`).

    The text must be one JSON object, optionally in a code fence, with exactly the requested fields, the reason before
    the ratings, and integers from 1 to 5. Unreadable for anything else: surrounding prose, "4/5", "4", 4.0, 0, 6, true.
    """
    fenced = _FENCE.match(text.strip())
    try:
        pairs = json.loads(fenced[1] if fenced else text, object_pairs_hook=_Pairs, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unreadable("it is not one JSON object") from None
    if not isinstance(pairs, _Pairs):
        raise Unreadable("it is not one JSON object")
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Unreadable("a field occurs twice")
    if missing := [name for name in FIELDS if name not in values]:
        raise Unreadable(f"fields are missing: {', '.join(missing)}")
    if len(values) > len(FIELDS):
        raise Unreadable("it has fields that were not asked for")
    if values["case"] != case:
        raise Unreadable("it is about another case")
    if not isinstance(values["reason"], str) or not values["reason"].strip():
        raise Unreadable("it gives no reason")
    if wrong := [name for name in CRITERIA if type(values[name]) is not int or values[name] not in SCALE]:
        raise Unreadable(f"not a whole number from 1 to 5: {', '.join(wrong)}")
    order = [name for name, _ in pairs]
    if any(order.index(name) < order.index("reason") for name in CRITERIA):
        raise Unreadable("a rating comes before the reason")
    return {name: values[name] for name in FIELDS if name != "case"}


class _Pairs(list[tuple[str, Any]]):
    """The fields of a JSON object, in order and with duplicates."""


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(constant)
