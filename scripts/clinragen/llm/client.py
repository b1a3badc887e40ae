"""Asynchronous client of a server with the OpenAI protocol: concurrent, patient, and it asks nothing twice."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai

from clinragen.config.llms import Llm, Transport
from clinragen.errors import UserError
from clinragen.llm.connection import connect
from clinragen.llm.guard import Destination
from clinragen.llm.journal import Entry, Journal, accepted_chain
from clinragen.llm.pace import LONGEST_PAUSE, Pace, sleep
from clinragen.llm.reply import AskAgain, NothingCanBeAnswered, Said, about_response_format, read_error, read_reply
from clinragen.llm.request import WITHOUT_TEXT, Answer, Check, Request, Status, identity_hash
from clinragen.runtime.progress import Progress

log = logging.getLogger("llm")
FIRST_WAIT = 1.0  # seconds before a failed request is sent again; doubled after every failure
LONGEST_WITHOUT_ANSWER = 1800.0  # seconds during which a server may ask for pauses and answer nothing
FAILURES_IN_A_ROW = 3  # requests that failed for good, after which the server counts as gone
CHARACTERS_PER_TOKEN = 4  # a rule of thumb, for the rate of tokens only
PART = 16  # requests that are looked up together before they are asked
FINAL = ("refused", "filtered")  # asking again gives the same
REFUSED_IN_A_ROW = 20  # refused requests without any answer, after which nothing will be answered


class RequestFailed(Exception):
    """One request has no answer; the others may still get theirs."""


@dataclass
class Client:
    """A language model on a server, with what is checked in its answers and where they are written down."""

    name: str
    """Of the row in `llms`."""
    llm: Llm
    transport: Transport
    destination: Destination
    """Where the server is."""
    journal: Journal
    check: Check
    ended: Callable[[], str] = lambda: ""
    """Why a server that this job has started is no longer there; empty while it runs."""

    def __post_init__(self) -> None:
        self.model = identity_hash(self.llm)
        self.common = self.llm.parameters

    def connect(self) -> openai.AsyncOpenAI:
        """A connection to the server."""
        return connect(self.transport, self.destination, f"llm_transport.{self.name}")

    def key(self, request: Request) -> str:
        """Identity of a request, as in the journal."""
        return request.key(self.model, self.llm.json_schema)

    def parameters(self, request: Request) -> dict[str, Any]:
        """What is sent besides model and text: the parameters of the row, and the schema of the answer if it has one.

        The schema goes as OpenAI's `response_format`, which Azure, vLLM and Ollama read too.
        """
        if not self.by_schema(request):
            return self.common
        form = {"name": request.task, "strict": True, "schema": request.schema}
        return self.common | {"response_format": {"type": "json_schema", "json_schema": form}}

    def by_schema(self, request: Request) -> bool:
        """Whether the model is held to the schema of the answer."""
        return self.llm.json_schema and request.schema is not None

    def is_answered(self, requests: list[Request]) -> bool:
        """Whether the journal holds an answer to every request, so that no server is needed."""
        return all(self.settled(request, self.chain(request)) for request in requests)

    def ask(self, requests: list[Request]) -> list[Answer]:
        """An answer to every request, from the journal or else from the server.

        UserError says how many are answered when some could not be; a rerun continues there.
        """
        unique = {self.key(request): request for request in requests}
        found = {key: self.settled(request, self.chain(request)) for key, request in unique.items()}
        missing = [unique[key] for key, answer in found.items() if answer is None]
        log.info("%s: %d requests, %d already answered", self.llm.model, len(unique), len(unique) - len(missing))
        if missing:
            with self._first_to_ask() as first:
                if not first:
                    # Another process may be asking the same now: each goes its own way, and looks before it asks.
                    random.shuffle(missing)
                run = _Run(self, missing, len(unique) - len(missing))
                asyncio.run(run.ask_all())
            self.journal.flush()
            run.report(len(unique))
            found |= {self.key(request): self.settled(request, self.chain(request)) for request in missing}
        return [found[self.key(request)] for request in requests]

    def chain(self, request: Request) -> list[Entry]:
        """The answers to a request that count, by attempt."""
        entries = self.journal.answers(self.key(request))
        return accepted_chain(entries, self.parameters(request), self.llm.limit) if entries else entries

    def settled(self, request: Request, chain: list[Entry]) -> Answer | None:
        """The answer that counts, or None while the question or a repair of its answer is still to be asked.

        It is the first good one; after the last repair, or where the server will give none, the last with a text, and
        where there is none, the last.
        """
        flaws: list[list[str]] = []
        for entry in chain:
            flaws.append(self.problems(request, entry))
            if not flaws[-1]:
                return answer_of(entry, "good", [], chain)
        if not chain or (chain[-1].status not in FINAL and len(chain) <= self.llm.repairs):
            return None
        written = [i for i, entry in enumerate(chain) if entry.status not in WITHOUT_TEXT]
        best = written[-1] if written else -1
        return answer_of(chain[best], "flawed" if written else chain[best].status, flaws[best], chain)

    def problems(self, request: Request, entry: Entry) -> list[str]:
        """What is wrong with an answer; nothing when it is good."""
        if entry.status in WITHOUT_TEXT:
            return [f"the answer is {entry.status} ({entry.finish_reason})"]
        cut = ["it was cut off at the longest answer allowed"] if entry.finish_reason == "length" else []
        return cut + self.check(request, entry.text)

    @contextlib.contextmanager
    def _first_to_ask(self) -> Iterator[bool]:
        """Whether no other process on this file system is asking this model for anything."""
        path = Path(self.journal.path).with_name(f".asking-{self.model}")
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            yield False
        finally:
            os.close(file)  # which unlocks


class _Run:
    """One round of asking: what waits, what came of it, and why it ends early."""

    def __init__(self, client: Client, missing: list[Request], done: int) -> None:
        self.client, self.total = client, len(missing)
        self.missing = missing
        self.workers = min(client.transport.concurrency, self.total)
        self.waiting: asyncio.Queue[tuple[Request, list[Entry]] | None] = asyncio.Queue(self.workers)
        self.pace = Pace(client.transport)
        self.stopped = asyncio.Event()
        self.reason = ""
        self.failures: list[str] = []
        self.in_a_row = 0
        self.finished = 0
        # Refusals are believed once the model is known to answer: else its settings are wrong, not a request.
        self.answers = done
        self.refusals: list[Entry] = []
        self.last_answer = time.monotonic()

    async def ask_all(self) -> None:
        """Ask until nothing waits, or there is a reason to stop; what is under way then is awaited."""
        loop = asyncio.get_running_loop()
        with _stop_on_signals(loop, self.stop), Progress("answers", self.total) as bar:
            feeding = asyncio.create_task(self._feed())
            async with self.client.connect() as server, asyncio.TaskGroup() as group:
                for _ in range(self.workers):
                    group.create_task(self._work(server, bar))
            feeding.cancel()
        self._settle_refusals()

    async def _feed(self) -> None:
        """Hand out what waits; another process may have asked for some of it since, so look again, a part at a time.

        The lookup has a thread of its own: it waits while answers are being written.
        """
        try:
            for start in range(0, self.total, PART):
                part = self.missing[start : start + PART]
                chains = await asyncio.to_thread(lambda part=part: [self.client.chain(request) for request in part])
                for item in zip(part, chains, strict=True):
                    await self.waiting.put(item)
        except sqlite3.Error as error:
            self.stop(f"{self.client.journal.path}: {error}")
        for _ in range(self.workers):
            await self.waiting.put(None)

    def stop(self, reason: str) -> None:
        """Begin nothing new."""
        self.reason = self.reason or reason
        self.stopped.set()

    def report(self, total: int) -> None:
        """UserError if something is left to be asked."""
        left = self.total - self.finished
        if left:
            reason = self.reason or self.failures[-1]
            raise UserError(
                f"llm_transport.{self.client.name}: {total - left} of {total} requests are answered and saved in "
                f"{self.client.journal.path}; then: {reason}. Running it again asks for the remaining {left} only"
            )

    async def _work(self, server: openai.AsyncOpenAI, bar: Progress) -> None:
        while item := await self.waiting.get():
            try:
                if not await self._ask_until_done(server, *item):
                    return
                self.finished += 1
                bar.advance()
            except RequestFailed as error:
                self.failures.append(str(error))
                self.in_a_row += 1
                if self.in_a_row >= FAILURES_IN_A_ROW:
                    self.stop(str(error))
            except (NothingCanBeAnswered, UserError) as error:
                self.stop(str(error))
            if self.stopped.is_set():
                return

    async def _ask_until_done(self, server: openai.AsyncOpenAI, request: Request, chain: list[Entry]) -> bool:
        """Ask, and ask for repairs while the checks object; False if everything stops before that."""
        client = self.client
        while client.settled(request, chain) is None:
            if self.stopped.is_set():
                return False
            entry = await self._ask(server, request, messages(client, request, chain), len(chain))
            if entry is None:
                return False
            self._keep(entry)
            chain.append(entry)
        return True

    def _keep(self, entry: Entry) -> None:
        if entry.status == "refused" and not self.answers:
            self.refusals.append(entry)
            if len(self.refusals) >= REFUSED_IN_A_ROW:
                doubt = ", perhaps json_schema" if self.client.llm.json_schema else ""
                place = f"llms.{self.client.name}"
                self.stop(f"the server refuses every request ({entry.finish_reason}); correct {place}{doubt}")
            return
        self.answers += entry.status != "refused"
        self.client.journal.add(entry)
        self._settle_refusals()

    def _settle_refusals(self) -> None:
        """Write down refusals once the model has answered something; else they are asked again another time."""
        if self.answers:
            for entry in self.refusals:
                self.client.journal.add(entry)
        else:
            self.finished -= len(self.refusals)
            self.failures += [f"the server refuses it ({entry.finish_reason})" for entry in self.refusals]
        self.refusals = []

    async def _ask(
        self, server: openai.AsyncOpenAI, request: Request, asked: list[dict[str, str]], attempt: int
    ) -> Entry | None:
        """One answer, through whatever passes with waiting; None if everything stops before."""
        tokens = sum(len(message["content"]) for message in asked) // CHARACTERS_PER_TOKEN + (
            self.client.llm.limit or 0
        )
        failed = 0
        while True:
            await self.pace.turn(tokens, self.stopped)
            if self.stopped.is_set():
                return None
            started = time.monotonic()
            try:
                said = await self._send(server, request, asked)
            except AskAgain as error:
                if reason := self.client.ended():
                    raise NothingCanBeAnswered(reason) from None
                if error.busy:
                    self._pause(error)
                    continue
                self.pace.failed()
                if failed >= self.client.transport.retries:
                    raise RequestFailed(f"{error} ({failed + 1} attempts)") from None
                wait = min(error.seconds or FIRST_WAIT * 2**failed * random.uniform(0.75, 1.25), LONGEST_PAUSE)
                log.info("%s: %s; asking again in %.1f s", request.task, error, wait)
                await sleep(wait, self.stopped)
                failed += 1
                continue
            self.pace.answered()
            self.last_answer, self.in_a_row = time.monotonic(), 0
            return self._entry(request, attempt, said, self.last_answer - started)

    def _pause(self, error: AskAgain) -> None:
        """Let all requests wait, as the server asks; NothingCanBeAnswered if it has answered nothing for too long."""
        if time.monotonic() - self.last_answer > LONGEST_WITHOUT_ANSWER:
            raise NothingCanBeAnswered(f"{error}, for {LONGEST_WITHOUT_ANSWER / 60:.0f} minutes; ask less often")
        seconds = self.pace.pause(error.seconds)
        log.debug("%s: all requests wait %.1f s", error, seconds)

    async def _send(self, server: openai.AsyncOpenAI, request: Request, asked: list[dict[str, str]]) -> Said:
        """Send a request once; AskAgain or NothingCanBeAnswered if it is not answered."""
        llm, seconds = self.client.llm, self.client.transport.timeout_seconds
        parameters = self.client.parameters(request)
        try:
            async with asyncio.timeout(seconds):
                if llm.endpoint == "chat":
                    reply = await server.chat.completions.create(model=llm.model, messages=asked, extra_body=parameters)
                else:
                    text = "\n\n".join(message["content"] for message in asked)
                    reply = await server.completions.create(model=llm.model, prompt=text, extra_body=parameters)
            return read_reply(reply, llm.endpoint)
        except openai.APIStatusError as error:
            if self.client.by_schema(request) and about_response_format(error):
                remedy = f"set llms.{self.client.name}.json_schema: false"
                raise NothingCanBeAnswered(f"the server refuses response_format; {remedy}") from None
            return read_error(error)
        except TimeoutError:
            raise AskAgain(f"no complete answer within timeout_seconds ({seconds:g} s)") from None
        except openai.APIConnectionError as error:
            raise AskAgain(f"the connection failed ({type(root_cause(error)).__name__})") from None
        except (openai.APIResponseValidationError, ValueError, RecursionError, AttributeError, TypeError):
            raise AskAgain("the server returned an invalid response") from None

    def _entry(self, request: Request, attempt: int, said: Said, seconds: float) -> Entry:
        client = self.client
        return Entry(
            request=client.key(request),
            attempt=attempt,
            task=request.task,
            model=client.llm.model,
            served_model=said.served_model,
            prompt_version=request.prompt_version,
            parameters=json.dumps(client.parameters(request), sort_keys=True),
            status=said.status,
            text=said.text,
            finish_reason=said.finish_reason,
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
            seconds=round(seconds, 3),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def answer_of(entry: Entry, status: Status, problems: list[str], chain: list[Entry]) -> Answer:
    """An answer, with the tokens of all attempts at it."""
    tokens = (sum(e.prompt_tokens for e in chain), sum(e.completion_tokens for e in chain))
    return Answer(entry.request, entry.text, status, tuple(problems), entry.served_model, *tokens)


def messages(client: Client, request: Request, chain: list[Entry]) -> list[dict[str, str]]:
    """The question, and after an answer that the checks object to, that answer and the objections."""
    asked = [{"role": "user", "content": request.prompt}]
    if not chain or chain[-1].status != "answered":
        return asked
    wrong = "; ".join(client.problems(request, chain[-1]))
    return [
        *asked,
        {"role": "assistant", "content": chain[-1].text},
        {"role": "user", "content": f"This does not fit: {wrong}. Write the complete answer again."},
    ]


def root_cause(error: BaseException) -> BaseException:
    """The error at the beginning of a chain: what the transports on top make of it is less exact."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextlib.contextmanager
def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> Iterator[None]:
    """On the first SIGINT or SIGTERM stop in good order; a second one ends the process."""

    def first(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        log.warning("%s: waiting for the answers that are under way", number.name)
        stop(f"interrupted by {number.name}")

    caught = (signal.SIGINT, signal.SIGTERM)
    # Signals can be handled in the main thread only.
    with contextlib.suppress(ValueError, RuntimeError):
        for number in caught:
            loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
