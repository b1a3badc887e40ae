"""Faults of servers: transient, persistent and fatal errors, refusals, and answers without a text."""

import json

import pytest
from openai_server import completion, dropped, failure, garbage
from unit.test_llm_ask import KEY, asked, entries, good, model, requests

from clinragen.errors import UserError

DEEP = "[" * 100_000
TRANSIENT = {
    "rate limit": failure(429, "rate_limit_exceeded"),
    "rate limit with a wait": failure(429, Retry_After="0.05"),
    "server error": failure(500),
    "unavailable": failure(503),
    "garbage as JSON": garbage('{"choices": [{'),
    "garbage as text": garbage("<html>proxy</html>", "text/html"),
    "other JSON": garbage('{"hello": 1}'),
    "a list": garbage("[]"),
    "deep JSON": garbage(DEEP),
    "no choices": garbage('{"id": "x", "model": "m", "choices": []}'),
    "dropped connection": dropped,
}
PERSISTENT = {name: fault for name, fault in TRANSIENT.items() if not name.startswith("rate limit")}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("clinragen.llm.run.FIRST_WAIT", 0.02)


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_transient_faults_are_retried(fault, openai_server, tmp_path):
    openai_server.script = [fault, fault]
    (answer,) = asked(openai_server, tmp_path, requests(1))
    assert answer.text == "answer to prompt 0" and openai_server.count == 3
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("fault", PERSISTENT.values(), ids=PERSISTENT.keys())
def test_persistent_faults_end_with_a_message_and_a_rerun_continues(fault, openai_server, tmp_path):
    openai_server.script = [None, None, *[fault] * 3]
    with pytest.raises(UserError, match=r"2 of 3 requests are answered.*Re-running requests only the remaining 1"):
        asked(openai_server, tmp_path, requests(3), concurrency=1)
    texts = [a.text for a in asked(openai_server, tmp_path, requests(3))]
    assert texts == [f"answer to prompt {i}" for i in range(3)] and openai_server.count == 6


NOTHING = {
    "empty": (completion(""), "empty"),
    "blank": (completion("  \n"), "empty"),
    "no content": (completion(None), "empty"),
    "filtered": (completion("", "content_filter"), "filtered"),
    "filtered with half a text": (completion("half", "content_filter"), "filtered"),
    "400": (400, "refused"),
    "413": (413, "refused"),
    "422": (422, "refused"),
    "Azure's filter": ("content_filter", "filtered"),
}


@pytest.mark.parametrize(("reply", "status"), NOTHING.values(), ids=NOTHING.keys())
def test_a_request_without_text_is_an_answer_and_does_not_block_others(reply, status, openai_server, tmp_path):
    """One poisoned request among 20 is sent once, or twice if its answer may be repaired."""
    poison = {int: lambda: failure(reply), str: lambda: failure(400, reply)}.get(type(reply), lambda: lambda _: reply)()
    openai_server.poison = {"prompt 7": poison}
    answers = asked(openai_server, tmp_path, requests(20))
    assert [a.status for a in answers] == [*["good"] * 7, status, *["good"] * 12]
    assert answers[7].text == "" and answers[7].problems
    count = openai_server.count
    assert count == 20 + (status == "empty")
    assert asked(openai_server, tmp_path, requests(20)) == answers and openai_server.count == count


def test_too_many_without_text_end_the_stage_and_the_limit_can_be_raised(openai_server, tmp_path):
    openai_server.poison = {f"prompt {i}": failure(400) for i in range(4)}
    with pytest.raises(UserError, match=r"[34] have no text, more than llm_transport.teacher.max_failed"):
        asked(openai_server, tmp_path, requests(20), max_failed=0.1)
    assert len(asked(openai_server, tmp_path, requests(20), max_failed=0.2)) == 20 == openai_server.count


def test_too_many_without_text_are_not_all_paid_for(openai_server, tmp_path):
    """Each empty answer is requested twice; after three of 200 no more requests are sent, not even by a rerun."""
    openai_server.reply = lambda prompt: ""
    for _ in range(2):
        with pytest.raises(UserError, match=r"3 of 200 requests are answered.*3 have no text.*correct llms\.teacher"):
            asked(openai_server, tmp_path, requests(200), concurrency=1, max_failed=0.01)
        assert openai_server.count == 6


def test_a_single_refused_request_in_a_round_is_recorded(openai_server, tmp_path):
    openai_server.poison = {"prompt 20": failure(400)}
    teacher = model(openai_server.url, tmp_path, max_failed=0.1)
    teacher.ask(requests(20), "mimic3", [], good)
    (answer,), _ = teacher.ask(requests(21)[20:], "mimic3", [], good)
    assert answer.status == "refused" and openai_server.count == 21


def test_the_share_of_failures_counts_all_rounds_of_a_step(openai_server, tmp_path):
    """A step that asks in rounds does not end because of one failure in a small round."""
    openai_server.poison = {"prompt 20": failure(400)}
    teacher = model(openai_server.url, tmp_path, max_failed=0.1)
    teacher.ask(requests(20), "mimic3", [], good)
    answers, _ = teacher.ask(requests(22)[20:], "mimic3", [], good)
    assert [a.status for a in answers] == ["refused", "good"] and teacher.statuses == {"good": 21, "refused": 1}


def test_refusals_of_a_server_that_refuses_everything_are_not_recorded(openai_server, tmp_path):
    """The settings are wrong, not the requests: once they are corrected, all requests are sent."""
    openai_server.script = [failure(400)] * 100
    with pytest.raises(
        UserError, match=r"0 of 60 .*refuses every request \(HTTP status 400, error\); correct llms.teacher"
    ):
        asked(openai_server, tmp_path, requests(60), concurrency=1)
    assert openai_server.count == 20 and not entries(tmp_path)
    openai_server.script = []
    assert {a.status for a in asked(openai_server, tmp_path, requests(60))} == {"good"}


def test_a_refusal_counts_only_for_the_parameters_that_were_sent(openai_server, tmp_path):
    openai_server.script = [failure(400)]
    first = asked(openai_server, tmp_path, requests(3), concurrency=1)
    assert first[0].status == "refused"
    assert asked(openai_server, tmp_path, requests(3), {"max_tokens": 99})[0].status == "good"
    assert openai_server.count == 4


def test_invalid_metadata_of_an_answer_is_sanitised(openai_server, tmp_path):
    odd = json.loads(completion("lone \ud800 surrogate").get_data())
    odd |= {"usage": {"prompt_tokens": "many", "completion_tokens": -3}, "model": "m\ud800"}
    odd["choices"][0]["finish_reason"] = "the note says \ud800"
    openai_server.script = [garbage(json.dumps(odd))]
    (answer,) = asked(openai_server, tmp_path, requests(1))
    assert answer.text == "lone ? surrogate" and answer.status == "good"
    (entry,) = entries(tmp_path)
    assert (entry.prompt_tokens, entry.completion_tokens) == (0, 0)
    assert (entry.served_model, entry.finish_reason) == ("m?", "other")


def test_an_oversized_answer_counts_as_empty(openai_server, tmp_path):
    openai_server.script = [lambda request: completion("x" * 4_000_001)] * 2
    (answer,) = asked(openai_server, tmp_path, requests(1), max_failed=1)
    assert (answer.status, answer.text) == ("empty", "") and "too_long" in answer.problems[0]


@pytest.mark.parametrize(
    ("fault", "fact"),
    [
        ((401, ""), "API key rejected"),
        ((402, ""), "no credit left"),
        ((404, ""), "unknown model"),
        ((429, "insufficient_quota"), "no credit left"),
        ((400, "unsupported_parameter"), "a parameter that the model does not support"),
    ],
)
def test_fatal_errors_stop_at_once(fault, fact, openai_server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TEST_KEY", KEY)
    openai_server.script = [failure(*fault, message=f"bad key {KEY} for: prompt 0")] * 50
    with pytest.raises(UserError, match=fact) as error:
        asked(openai_server, tmp_path, requests(20), concurrency=1)
    assert openai_server.count == 1
    assert KEY not in str(error.value) + caplog.text and "prompt 0" not in str(error.value)


def test_a_dead_server_does_not_get_every_request(openai_server, tmp_path):
    openai_server.script = [failure(500)] * 500
    with pytest.raises(UserError, match="0 of 100"):
        asked(openai_server, tmp_path, requests(100), concurrency=1)
    assert openai_server.count == 9  # three requests, three attempts each


def test_no_server_at_all(tmp_path):
    with pytest.raises(UserError, match="connection failed"):
        model("http://127.0.0.1:9/v1", tmp_path).ask(requests(2), "mimic3", [], good)


def test_a_redirect_is_not_followed(openai_server, httpserver, tmp_path):
    httpserver.expect_request("/elsewhere", method="POST").respond_with_data("x")
    openai_server.script = [failure(307, Location=httpserver.url_for("/elsewhere"))] * 5
    with pytest.raises(UserError, match=r"307.*redirects, which is not followed; correct base_url"):
        asked(openai_server, tmp_path, requests(1))
    assert all(request.path != "/elsewhere" for request, _ in httpserver.log)


def test_a_local_server_is_not_reached_through_a_proxy(openai_server, tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert asked(openai_server, tmp_path, requests(1))[0].text == "answer to prompt 0"
