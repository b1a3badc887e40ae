"""Costs count every attempt at the requests behind a table, and no other request."""

import pytest
from openai_server import completion, failure
from unit.test_llm_ask import asked, entries, requests

from clinragen.config.llms import Price, Stage
from clinragen.evaluate.costs import costs
from clinragen.llm.request import Answer
from clinragen.schemas.costs import COSTS

PRICE = Price(input=2.0, output=4.0)


def stage(**changes) -> Stage:
    row = {"stage": "note_rationale", "dataset": "mimic3", "llm": "teacher", "provider": "openai", "model": "m"}
    return Stage(**(row | {"price": PRICE} | changes))


def statuses(answers: list[Answer]) -> dict[str, str]:
    return {a.request: a.status for a in answers}


def row(answers: list[Answer], directory, **changes) -> dict:
    (found,) = COSTS.check(costs([stage(**changes)], [statuses(answers)], directory), "test").to_pylist()
    return found


def test_every_attempt_at_the_requests_of_the_table_counts(openai_server, tmp_path):
    openai_server.reply = lambda prompt: "bad" if prompt == "prompt 3" else "good"
    answers = asked(openai_server, tmp_path, requests(4), check=lambda _, text: ["bad"] * (text == "bad"))
    asked(openai_server, tmp_path, requests(9))  # requests of another table
    found = row(answers, tmp_path)
    assert (found["requests"], found["answers"]) == (4, 5) and found["not_in_journal"] == 0
    # 7 tokens in and 5 out for each of the five answers, at $2 and $4 a million.
    assert (found["input_tokens"], found["output_tokens"]) == (35, 25)
    assert found["dollars"] == pytest.approx((35 * 2 + 25 * 4) / 1e6)
    assert found["served_models"] == "scripted-1"
    ours = {a.request for a in answers}
    assert found["seconds"] == pytest.approx(sum(e.seconds for e in entries(tmp_path) if e.request in ours), abs=0.01)


def test_a_model_that_was_replaced_by_its_vendor_is_named(openai_server, tmp_path):
    openai_server.script = [lambda request: renamed("scripted-2")]
    assert row(asked(openai_server, tmp_path, requests(3)), tmp_path)["served_models"] == "scripted-1; scripted-2"


def renamed(name):
    response = completion("x")
    response.set_data(response.get_data().replace(b"scripted-1", name.encode()))
    return response


def test_an_unknown_price_and_a_lost_answer_leave_the_money_empty(openai_server, tmp_path):
    answers = asked(openai_server, tmp_path, requests(3))
    assert row(answers, tmp_path, price=None)["dollars"] is None
    lost = row([*answers, Answer("gone", "x")], tmp_path)
    assert (lost["not_in_journal"], lost["dollars"], lost["input_tokens"]) == (1, None, 21)


def test_the_share_of_marked_answers_is_hidden_where_it_points_at_few(openai_server, tmp_path):
    openai_server.poison = {f"prompt {i}": failure(400) for i in range(15)}
    answers = asked(openai_server, tmp_path, requests(30), max_failed=1.0)
    assert row(answers, tmp_path)["marked"] == 0.5
    assert row(answers[5:], tmp_path)["marked"] is None
    assert row(answers[15:], tmp_path)["marked"] == 0.0


def test_a_stand_in_costs_nothing_and_makes_no_journal(tmp_path):
    found = row([Answer("a", "x")], tmp_path / "none", provider="template", model="template", price=None)
    assert (found["provider"], found["requests"], found["answers"], found["dollars"]) == ("template", 1, 0, 0.0)
    assert not (tmp_path / "none").exists()
