"""What servers, networks and killed processes do to a run: nothing is lost, nothing is paid twice."""

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from async_server import AsyncServer, Handler, answering, response
from async_server import completion as body_of
from openai_server import OpenAIServer, completion, dropped, failure, garbage
from unit.test_llm_ask import KEY, asked, entries, good, model, requests

from clinragen.errors import UserError
from clinragen.llm.journal import FILE

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
DEEP = "[" * 100_000
PASSING = {
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
OUTLASTING = {name: fault for name, fault in PASSING.items() if not name.startswith("rate limit")}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("clinragen.llm.run.FIRST_WAIT", 0.02)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_faults_that_pass(fault, openai_server, tmp_path):
    openai_server.script = [fault, fault]
    (answer,) = asked(openai_server, tmp_path, requests(1))
    assert answer.text == "answer to prompt 0" and openai_server.count == 3
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("fault", OUTLASTING.values(), ids=OUTLASTING.keys())
def test_faults_that_stay_end_in_a_message_and_a_rerun_continues(fault, openai_server, tmp_path):
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
def test_a_request_without_text_is_an_answer_and_holds_up_no_other(reply, status, openai_server, tmp_path):
    """One poisoned request among 20, which is asked once, or twice where an answer may be repaired."""
    poison = {int: lambda: failure(reply), str: lambda: failure(400, reply)}.get(type(reply), lambda: lambda _: reply)()
    openai_server.poison = {"prompt 7": poison}
    answers = asked(openai_server, tmp_path, requests(20))
    assert [a.status for a in answers] == [*["good"] * 7, status, *["good"] * 12]
    assert answers[7].text == "" and answers[7].problems
    count = openai_server.count
    assert count == 20 + (status == "empty")
    assert asked(openai_server, tmp_path, requests(20)) == answers and openai_server.count == count


def test_too_many_of_them_end_the_stage_and_the_bound_can_be_raised(openai_server, tmp_path):
    openai_server.poison = {f"prompt {i}": failure(400) for i in range(4)}
    with pytest.raises(UserError, match=r"[34] have no text, more than llm_transport.teacher.max_failed"):
        asked(openai_server, tmp_path, requests(20), max_failed=0.1)
    assert len(asked(openai_server, tmp_path, requests(20), max_failed=0.2)) == 20 == openai_server.count


def test_too_many_of_them_are_not_all_paid_for(openai_server, tmp_path):
    """Each empty answer is asked for twice: after three of 200 nothing new is, and a rerun asks for nothing at all."""
    openai_server.reply = lambda prompt: ""
    for _ in range(2):
        with pytest.raises(UserError, match=r"3 of 200 requests are answered.*3 have no text.*correct llms\.teacher"):
            asked(openai_server, tmp_path, requests(200), concurrency=1, max_failed=0.01)
        assert openai_server.count == 6


def test_a_refused_request_alone_in_its_round_is_believed(openai_server, tmp_path):
    openai_server.poison = {"prompt 20": failure(400)}
    teacher = model(openai_server.url, tmp_path, max_failed=0.1)
    teacher.ask(requests(20), "mimic3", [], good)
    (answer,), _ = teacher.ask(requests(21)[20:], "mimic3", [], good)
    assert answer.status == "refused" and openai_server.count == 21


def test_requests_that_take_too_long_hold_up_no_others(openai_server, tmp_path):
    """Only a server that does not answer at all counts as gone."""
    openai_server.poison = {f"prompt {i}": lambda request: time.sleep(0.6) or completion("late") for i in range(4)}
    with pytest.raises(UserError, match=r"6 of 10 requests are answered.*no complete answer within"):
        asked(openai_server, tmp_path, requests(10), timeout_seconds=0.3, retries=0, concurrency=1)


def test_the_share_of_failures_is_that_of_all_questions_of_a_step(openai_server, tmp_path):
    """A step that asks in rounds does not end because a small round has one."""
    openai_server.poison = {"prompt 20": failure(400)}
    teacher = model(openai_server.url, tmp_path, max_failed=0.1)
    teacher.ask(requests(20), "mimic3", [], good)
    answers, _ = teacher.ask(requests(22)[20:], "mimic3", [], good)
    assert [a.status for a in answers] == ["refused", "good"] and teacher.statuses == {"good": 21, "refused": 1}


def test_a_server_that_refuses_everything_is_believed_nothing(openai_server, tmp_path):
    """Its settings are wrong, not the requests: once they are right, all are asked."""
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


def test_the_server_decides_how_long_to_wait(openai_server, tmp_path):
    openai_server.script = [failure(429, Retry_After="1")]
    started = time.monotonic()
    asked(openai_server, tmp_path, requests(1))
    assert 1.0 <= time.monotonic() - started < 4


WAITS = {
    "nothing": dict,
    "seconds": lambda: {"Retry_After": "1"},
    "milliseconds": lambda: {"retry_after_ms": "700"},
    "a date": lambda: {"Retry_After": formatdate(time.time() + 1, usegmt=True)},
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_a_storm_of_rate_limits_is_weathered_at_nearly_the_allowed_rate(wait, tmp_path):
    """64 workers for 10 requests a second; of three tries one counts, since a busy machine is slow by itself."""
    rates = []
    while not rates or (rates[-1] < 0.85 * 10 and len(rates) < 3):
        with AsyncServer(ten_a_second(wait)) as server:
            started = time.monotonic()
            answers = asked(server, tmp_path / str(len(rates)), requests(70), concurrency=64, retries=1)
            rates.append((70 - 10) / (time.monotonic() - started))
        assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(70)]
    assert max(rates) >= 0.85 * 10, rates


def ten_a_second(wait: Callable[[], dict[str, str]]) -> Handler:
    """A server that answers 10 requests a second, or ten at once after a second of rest, and refuses all others."""
    state = {"left": 10.0, "at": time.monotonic()}

    async def handle(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        now = time.monotonic()
        state["left"], state["at"] = min(10.0, state["left"] + (now - state["at"]) * 10), now
        if state["left"] < 1:
            writer.write(response(429, b'{"error": {"code": "rate_limit_exceeded"}}', **wait()))
            return
        state["left"] -= 1
        writer.write(response(200, body_of(f"answer to {body['messages'][-1]['content']}")))

    return handle


def test_a_configured_rate_is_kept(openai_server, tmp_path):
    """The limiter allows a second's worth at once, and then no more than its rate."""
    started = time.monotonic()
    asked(openai_server, tmp_path, requests(30), requests_per_minute=600, concurrency=30)
    assert time.monotonic() - started >= 2 * 0.9


def test_a_configured_rate_of_tokens_is_kept(openai_server, tmp_path):
    """A request of these has two tokens, and its answer at most 50: 20 of them are two seconds' worth."""
    started = time.monotonic()
    asked(openai_server, tmp_path, requests(20), tokens_per_minute=20 * 52 * 30, concurrency=20)
    assert time.monotonic() - started >= 0.9


def test_a_slow_server_is_given_up_and_asked_again(openai_server, tmp_path):
    openai_server.script = [lambda request: time.sleep(1.0) or completion("late")]
    (answer,) = asked(openai_server, tmp_path, requests(1), timeout_seconds=0.3)
    assert answer.text == "answer to prompt 0"


async def slow_loris(body, writer):
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def slow_head(body, writer):
    writer.write(b"HTTP/1.1 200 X\r\n")
    while True:
        writer.write(b"X-Still-Here: yes\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(body, writer):
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n")
    for _ in range(50):
        writer.write(b" " * 1_000_000)
        await writer.drain()


async def bomb(body, writer):
    """50 MB, packed piece by piece: the server shares the memory that is measured."""
    begin, end = body_of("TEXT").split(b"TEXT")
    pack = zlib.compressobj(wbits=31)
    pieces = [begin, *[b" " * 1_000_000] * 50, end]
    writer.write(response(200, b"".join(map(pack.compress, pieces)) + pack.flush(), Content_Encoding="gzip"))


async def half(body, writer):
    writer.write(response(200, body_of("whole"))[:-20])
    await writer.drain()
    writer.close()


async def torn(body, writer):
    part = body_of("whole")[:30]
    head = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head + f"{len(part):x}\r\n".encode() + part + b"\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("handler", "fact"),
    [
        (slow_head, r"no complete answer within timeout_seconds \(1 s\)"),
        (slow_loris, r"no complete answer within timeout_seconds \(1 s\)"),
        (endless, "larger than 16000000 bytes"),
        (bomb, "compresses its responses"),
        (half, "connection failed"),
        (torn, "connection failed"),
    ],
)
def test_answers_without_end_without_bound_or_torn(handler, fact, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with AsyncServer(handler) as server, pytest.raises(UserError, match=fact):
        asked(server, tmp_path, requests(1), timeout_seconds=1, retries=1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_odd_facts_of_an_answer_are_kept_harmless(openai_server, tmp_path):
    odd = json.loads(completion("lone \ud800 surrogate").get_data())
    odd |= {"usage": {"prompt_tokens": "many", "completion_tokens": -3}, "model": "m\ud800"}
    odd["choices"][0]["finish_reason"] = "the note says \ud800"
    openai_server.script = [garbage(json.dumps(odd))]
    (answer,) = asked(openai_server, tmp_path, requests(1))
    assert answer.text == "lone ? surrogate" and answer.status == "good"
    (entry,) = entries(tmp_path)
    assert (entry.prompt_tokens, entry.completion_tokens) == (0, 0)
    assert (entry.served_model, entry.finish_reason) == ("m?", "other")


def test_an_answer_of_any_length_ends_somewhere(openai_server, tmp_path):
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
        ((400, "unsupported_parameter"), "a parameter that the model does not know"),
    ],
)
def test_what_no_wait_repairs_stops_at_once(fault, fact, openai_server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TEST_KEY", KEY)
    openai_server.script = [failure(*fault, message=f"bad key {KEY} for: prompt 0")] * 50
    with pytest.raises(UserError, match=fact) as error:
        asked(openai_server, tmp_path, requests(20), concurrency=1)
    assert openai_server.count == 1
    assert KEY not in str(error.value) + caplog.text and "prompt 0" not in str(error.value)


def test_a_dead_server_is_not_asked_for_every_sample(openai_server, tmp_path):
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


WORKER = """
import resource, signal, sys
from pathlib import Path
from unit.test_llm_ask import good, model, requests
first, last, url, answers, size = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), int(sys.argv[5])
if size:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
found, _ = model(url, answers, concurrency=8).ask(requests(last)[first:], "mimic3", [], good)
print(len(found))
"""


def start(numbers: tuple[int, int], url: str, answers: Path, size: int = 0) -> subprocess.Popen:
    tests = str(SCRIPTS.parent / "tests")
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *map(str, (*numbers, url, answers, size))],
        env={**os.environ, "PYTHONPATH": f"{SCRIPTS}{os.pathsep}{tests}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_kill_nine_at_twenty_moments_loses_no_answer(tmp_path):
    """Each run gets some way; what was answered before the last moment of a run is never asked again."""
    number, moments = 1000, random.Random(1)
    with AsyncServer(answering(0.02)) as server:
        for _ in range(20):
            before = len(server.bodies)
            process = start((0, number), server.url, tmp_path)
            while len(server.bodies) < before + moments.randrange(1, 40) and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
        answers = asked(server, tmp_path, requests(number), concurrency=8)
        prompts = server.prompts
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(number)]
    # Under way are the requests of 8 workers, and the answers that the disk has not confirmed.
    assert len(prompts) - len(set(prompts)) <= 20 * 2 * 8
    assert len(entries(tmp_path)) == number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_loses_nothing_and_repeats_nothing(number, tmp_path):
    with AsyncServer(answering(0.1)) as server:
        process = start((0, 200), server.url, tmp_path)
        while len(server.bodies) < 60:
            time.sleep(0.005)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 1 and f"interrupted by {number.name}" in stderr
        asked_before = len(server.bodies)
        assert len(entries(tmp_path)) == asked_before < 100
        asked(server, tmp_path, requests(200), concurrency=8)
        assert sorted(server.prompts) == sorted(f"prompt {i}" for i in range(200))


def test_a_second_signal_ends_it_without_waiting(tmp_path):
    with AsyncServer(answering(60)) as server:
        process = start((0, 20), server.url, tmp_path)
        while len(server.bodies) < 8:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None, "the first one waits for what is under way"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=3) == -signal.SIGTERM
        process.communicate()


def test_stages_and_overlays_at_once_pay_nearly_once(tmp_path):
    """Two ask the same, one half of it, one something else."""
    with AsyncServer(answering(0.03)) as server:
        parts = [(0, 300), (0, 300), (150, 300), (300, 400)]
        processes = [start(part, server.url, tmp_path) for part in parts]
        outputs = [process.communicate(timeout=120) for process in processes]
        prompts = server.prompts
    assert [out.strip() for out, _ in outputs] == ["300", "300", "150", "100"], outputs
    # Those that are not the first have in hand: 8 asked, 8 handed out, 16 looked up, and what is not yet written.
    assert len(set(prompts)) == 400 and len(prompts) <= 400 + 3 * 60


def test_a_full_disk_ends_in_a_message(tmp_path):
    with AsyncServer(answering(0.0)) as server:
        process = start((0, 3000), server.url, tmp_path, size=40_000)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1 and f"{FILE}: " in stderr.splitlines()[-1], stderr
        assert "free up space" in stderr.splitlines()[-1]
        assert len(server.bodies) < 3000
        kept = len(entries(tmp_path))
        answers = asked(server, tmp_path, requests(300), concurrency=8)
    assert kept > 0 and len(answers) == 300


def test_a_server_that_hangs_does_not_hold_up_the_end(openai_server: OpenAIServer, tmp_path):
    release = threading.Event()
    openai_server.script = [lambda request: release.wait(5) and completion("late")]
    with pytest.raises(UserError, match="0 of 1"):
        asked(openai_server, tmp_path, requests(1), timeout_seconds=0.3, retries=0)
    release.set()
