"""Ratings of one judge: one question per rationale, in random order."""

import random
from collections.abc import Callable, Sequence

import pyarrow as pa

from clinragen.evaluate.judge.items import Item
from clinragen.evaluate.judge.question import check_ratings, judge_request, read_ratings
from clinragen.llm.prompt import Prompt
from clinragen.llm.request import Answer, Check, Request
from clinragen.schemas.judge import BY_RULE, RATINGS
from clinragen.schemas.ratings import CRITERIA

Ask = Callable[[list[Request], Check], list[Answer]]


def judge_requests(items: Sequence[Item], prompt: Prompt, seed: int) -> tuple[list[Item], list[Request]]:
    """Return the rationales with a text, and their requests, both in the same random order.

    The random order keeps changes of the server over time from favouring a system.
    """
    asked = [item for item in items if item.words]
    random.Random(seed).shuffle(asked)
    return asked, [judge_request(prompt, item) for item in asked]


def rate(items: Sequence[Item], prompt: Prompt, seed: int, ask: Ask) -> pa.Table:
    """Return the ratings of all items (RATINGS), by stay, system and condition; without text, all are 1 by rule."""
    asked, requests = judge_requests(items, prompt, seed)
    answers = ask(requests, check_ratings)
    rows = [_row(item, request, answer) for item, request, answer in zip(asked, requests, answers, strict=True)]
    rows += [_key(item) | dict.fromkeys(CRITERIA, 1) | {"status": BY_RULE} for item in items if not item.words]
    return pa.Table.from_pylist(rows, schema=RATINGS.schema).sort_by([(name, "ascending") for name in RATINGS.key])


def _row(item: Item, request: Request, answer: Answer) -> dict[str, object]:
    ratings = read_ratings(answer.text, request.slots["case"]) if answer.status == "good" else {}
    problems = "; ".join(answer.problems) or None
    return _key(item) | ratings | {"status": answer.status, "problems": problems, "request": answer.request}


def _key(item: Item) -> dict[str, object]:
    return {
        "stay_id": item.sample.stay_id,
        "system": item.system,
        "condition": item.condition,
        "words": item.words,
        "note_cut": item.sample.note_cut,
    }
