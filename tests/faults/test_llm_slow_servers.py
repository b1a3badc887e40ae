"""Slow, limited and misbehaving servers: rates are kept, time and memory are bounded."""

import asyncio
import resource
import threading
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from async_server import AsyncServer, Handler, response
from async_server import completion as body_of
from openai_server import OpenAIServer, completion, failure
from unit.test_llm_ask import asked, requests

from clinragen.errors import UserError


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("clinragen.llm.run.FIRST_WAIT", 0.02)


def test_requests_that_time_out_do_not_block_others(openai_server, tmp_path):
    """Only a server that answers no request counts as down."""
    openai_server.poison = {f"prompt {i}": lambda request: time.sleep(0.6) or completion("late") for i in range(4)}
    with pytest.raises(UserError, match=r"6 of 10 requests are answered.*no complete answer within"):
        asked(openai_server, tmp_path, requests(10), timeout_seconds=0.3, retries=0, concurrency=1)


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
def test_rate_limits_are_used_almost_fully(wait, tmp_path):
    """64 workers for 10 requests per second; the best of three attempts counts, because the machine may be busy."""
    rates = []
    while not rates or (rates[-1] < 0.85 * 10 and len(rates) < 3):
        with AsyncServer(ten_a_second(wait)) as server:
            started = time.monotonic()
            answers = asked(server, tmp_path / str(len(rates)), requests(70), concurrency=64, retries=1)
            rates.append((70 - 10) / (time.monotonic() - started))
        assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(70)]
    assert max(rates) >= 0.85 * 10, rates


def ten_a_second(wait: Callable[[], dict[str, str]]) -> Handler:
    """Return a server that answers 10 requests per second, or ten at once after an idle second, and refuses others."""
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
    """The limiter allows the requests of one second at once, and then no more than its rate."""
    started = time.monotonic()
    asked(openai_server, tmp_path, requests(30), requests_per_minute=600, concurrency=30)
    assert time.monotonic() - started >= 2 * 0.9


def test_a_configured_rate_of_tokens_is_kept(openai_server, tmp_path):
    """Each request has two tokens and its answer at most 50: 20 of them take two seconds."""
    started = time.monotonic()
    asked(openai_server, tmp_path, requests(20), tokens_per_minute=20 * 52 * 30, concurrency=20)
    assert time.monotonic() - started >= 0.9


def test_a_slow_request_is_cancelled_and_repeated(openai_server, tmp_path):
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
    """Send 50 MB, compressed in pieces because the server shares the memory that is measured."""
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
def test_endless_oversized_and_truncated_responses(handler, fact, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with AsyncServer(handler) as server, pytest.raises(UserError, match=fact):
        asked(server, tmp_path, requests(1), timeout_seconds=1, retries=1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_a_hanging_server_does_not_delay_the_end(openai_server: OpenAIServer, tmp_path):
    release = threading.Event()
    openai_server.script = [lambda request: release.wait(5) and completion("late")]
    with pytest.raises(UserError, match="0 of 1"):
        asked(openai_server, tmp_path, requests(1), timeout_seconds=0.3, retries=0)
    release.set()
