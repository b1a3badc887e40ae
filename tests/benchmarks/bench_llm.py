"""Speed of the client of language models against a bare openai client, and of its journal; one run, one table.

`make bench-llm` runs it; docs/performance.md explains what is measured. The server runs in a separate process and
answers after a fixed time. The bare client has the same transport and writes nothing down.
"""

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import openai
from async_server import AsyncServer, Handler, answering
from llm_memory import answering_at_length, while_asking
from unit.test_llm_ask import good, model, requests

from clinragen.llm.journal import FILE, Entry, Journal
from clinragen.llm.request import Request

LOADS = ((0.1, 64, 3000), (1.0, 256, 5120))  # latency in seconds, concurrency, requests
HITS = 20_000
STORED = 120_000
ASKED, LENGTH = 100_000, 600  # answers, and characters of each


def served(handler: Handler, measure: Callable[[str], Any]) -> Any:
    """What a measurement gives against a server in another process."""
    here, there = multiprocessing.Pipe()

    def serve() -> None:
        with AsyncServer(handler) as server:
            there.send(server.url)
            there.recv()

    process = multiprocessing.get_context("fork").Process(target=serve)
    process.start()
    try:
        return measure(here.recv())
    finally:
        here.send("end")
        process.join()


def bare(url: str, number: int, concurrency: int) -> float:
    """Requests a second of the bare openai client."""

    async def run() -> None:
        limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        http = openai.DefaultAioHttpClient(limits=limits, trust_env=False)
        waiting = iter(requests(number))

        async def work(client: openai.AsyncOpenAI) -> None:
            for request in waiting:
                asked = [{"role": "user", "content": request.prompt}]
                await client.chat.completions.create(model="m", messages=asked, temperature=0.0, max_tokens=50)

        async with (
            openai.AsyncOpenAI(base_url=url, api_key="x", http_client=http) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(concurrency):
                group.create_task(work(client))

    started = time.monotonic()
    asyncio.run(run())
    return number / (time.monotonic() - started)


def ours(url: str, number: int, concurrency: int) -> float:
    """Requests a second of ours, every answer on the disk at the end."""
    with tempfile.TemporaryDirectory() as directory:
        language_model = model(url, Path(directory), concurrency=concurrency)
        started = time.monotonic()
        language_model.ask(requests(number), "mimic3", [], good)
        return number / (time.monotonic() - started)


def hits(number: int, characters: int) -> float:
    """Answers a second that are taken from the journal, for prompts of so many characters."""
    with tempfile.TemporaryDirectory() as directory:
        language_model = model("http://127.0.0.1:9/v1", Path(directory))
        wanted = [Request("note_rationale", f"{i} ".ljust(characters, "x"), "v") for i in range(number)]
        fill(Path(directory), [language_model.key(request) for request in wanted])
        started = time.monotonic()
        answers, _ = language_model.ask(wanted, "mimic3", [], good)
        assert len(answers) == number
        return number / (time.monotonic() - started)


def fill(directory: Path, keys: list[str]) -> None:
    """A journal with an answer of 100 words to each request."""
    text = "word " * 100
    with Journal(directory / FILE) as journal:
        for key in keys:
            facts = ("terms", "m", "m", "v", "{}", "answered", text, "stop", 1, 1, 0.1, "2026-01-01T00:00:00+00:00")
            journal.add(Entry(key, 0, *facts))


def opened(number: int) -> tuple[float, float]:
    """Seconds until a journal of so many answers gives one of them, and MB of memory that it takes."""
    with tempfile.TemporaryDirectory() as directory:
        fill(Path(directory), [f"r{i}" for i in range(number)])
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            return pool.apply(_open, (directory, number))


def _open(directory: str, number: int) -> tuple[float, float]:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with Journal(Path(directory) / FILE) as journal:
        assert journal.answers(f"r{number - 1}")
        seconds = time.monotonic() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000


def growth(url: str) -> tuple[list[float], float]:
    """MB beyond the requests after each tenth of many answers, and with all of them."""
    with tempfile.TemporaryDirectory() as directory:
        return while_asking(url, Path(directory), ASKED)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    for measure in (ours, bare):  # what both import and build at their first request
        served(answering(0.0), lambda url, measure=measure: measure(url, 200, 16))
    print("| what | ours | bare openai client | ratio |\n|---|---:|---:|---:|")
    for latency, concurrency, number in LOADS:
        # In turn, so that a busy moment hits both.
        pairs = [
            [served(answering(latency), partial(f, number=number, concurrency=concurrency)) for f in (ours, bare)]
            for _ in range(repeats)
        ]
        mine, other = (sorted(column)[repeats // 2] for column in zip(*pairs, strict=True))
        ideal = concurrency / latency
        what = f"{latency * 1000:.0f} ms, {concurrency} at once (ideal {ideal:.0f}/s)"
        print(f"| {what} | {mine:.0f}/s | {other:.0f}/s | {mine / other:.2f} |")
    print(f"| {HITS} answers from the journal, prompts of 8,000 characters | {hits(HITS, 8000):.0f}/s | – | – |")
    seconds, memory = opened(STORED)
    print(f"| open a journal of {STORED} answers and read one | {seconds * 1000:.0f} ms, {memory:.0f} MB | – | – |")
    taken, held = served(answering_at_length(LENGTH), growth)
    course = ", ".join(f"{megabytes:.0f}" for megabytes in taken)
    print(f"| ask {ASKED} questions, answers of {LENGTH} characters: MB after each tenth | {course} | – | – |")
    print(f"| the same: MB with all answers in hand | {held:.0f} | – | – |")


if __name__ == "__main__":
    main()
