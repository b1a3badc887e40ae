"""Requests sent one by one to a server with the OpenAI protocol: concurrent, patient."""

import asyncio
import contextlib
import logging
import random
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from clinragen.config.llms import Llm
from clinragen.errors import UserError
from clinragen.llm.budget import Budget
from clinragen.llm.connection import Unacceptable
from clinragen.llm.journal import Entry
from clinragen.llm.pace import LONGEST_PAUSE, Pace, sleep
from clinragen.llm.reply import AskAgain, NothingCanBeAnswered, Said, about_response_format, read_error, read_reply
from clinragen.llm.request import Request
from clinragen.runtime.progress import Progress

if TYPE_CHECKING:
    from clinragen.llm.client import Client

log = logging.getLogger("llm")
FIRST_WAIT = 1.0  # seconds before a failed request is sent again; doubled after every failure
LONGEST_WITHOUT_ANSWER = 1800.0  # seconds during which a server may ask for pauses and answer nothing
FAILURES_IN_A_ROW = 3  # requests that failed for good, after which the server counts as gone
CHARACTERS_PER_TOKEN = 4  # a rule of thumb, for the rate of tokens only
PART = 16  # requests that are looked up together before they are asked
ENDPOINTS = {"chat": "/chat/completions", "completions": "/completions"}
REFUSED_IN_A_ROW = 20  # refused requests without any answer, after which nothing will be answered


class RequestFailed(Exception):
    """One request has no answer; the others may still get theirs, unless the server is `gone`."""

    def __init__(self, reason: str, *, gone: bool) -> None:
        super().__init__(reason)
        self.gone = gone


class Run:
    """One round of asking: what waits, what came of it, and why it ends early."""

    def __init__(self, client: "Client", missing: list[Request], failed: int) -> None:
        self.client, self.total, self.failed = client, len(missing), failed
        self.missing = missing
        self.workers = min(client.transport.concurrency, self.total)
        self.waiting: asyncio.Queue[tuple[Request, list[Entry]] | None] = asyncio.Queue(self.workers)
        self.pace = Pace(client.transport)
        self.budget = Budget(client)
        self.stopped = asyncio.Event()
        self.reason = ""
        self.failures: list[str] = []
        self.in_a_row = 0
        self.finished = 0
        # Refusals are believed once the model is known to answer: else its settings are wrong, not a request.
        self.answering = client.journal.has_answered(client.model)
        self.refusals: list[Entry] = []
        self.last_answer = time.monotonic()
        self._count_failures(0)

    async def ask_all(self) -> None:
        """Ask until nothing waits, or there is a reason to stop; what is under way then is awaited."""
        loop = asyncio.get_running_loop()
        with stop_on_signals(loop, self.stop), Progress("answers", self.total) as bar:
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
                chains = await asyncio.to_thread(self._look_up, part)
                if reason := self.budget.reached():
                    self.stop(reason)
                    break
                for item in zip(part, chains, strict=True):
                    await self.waiting.put(item)
        except sqlite3.Error as error:
            self.stop(f"{self.client.journal.path}: {error}")
        for _ in range(self.workers):
            await self.waiting.put(None)

    def _look_up(self, part: list[Request]) -> list[list[Entry]]:
        self.budget.read()
        return [self.client.chain(request) for request in part]

    def stop(self, reason: str) -> None:
        """Begin nothing new."""
        self.reason = self.reason or reason
        self.stopped.set()

    def report(self, total: int) -> None:
        """UserError if something is left to be asked."""
        if left := self.total - self.finished:
            raise unanswered(self.client, total, left, self.reason or self.failures[-1])

    async def _work(self, server: openai.AsyncOpenAI, bar: Progress) -> None:
        while item := await self.waiting.get():
            try:
                if not await self._ask_until_done(server, *item):
                    return
                self.finished += 1
                bar.advance()
            except RequestFailed as error:
                self.failures.append(str(error))
                self.in_a_row += error.gone
                if self.in_a_row >= FAILURES_IN_A_ROW:
                    self.stop(str(error))
            except (NothingCanBeAnswered, UserError) as error:
                self.stop(str(error))
            if self.stopped.is_set():
                return

    async def _ask_until_done(self, server: openai.AsyncOpenAI, request: Request, chain: list[Entry]) -> bool:
        """Ask, and ask for repairs while the checks object; False if everything stops before that."""
        client = self.client
        while (answer := client.settled(request, chain)) is None:
            if self.stopped.is_set():
                return False
            entry = await self._ask(server, request, client.messages(request, chain), len(chain))
            if entry is None:
                return False
            self._keep(entry)
            chain.append(entry)
        if answer.without_text and self.answering:
            self._count_failures(1)
        return True

    def _count_failures(self, more: int) -> None:
        self.failed += more
        if reason := self.client.too_many(self.failed):
            self.stop(reason)

    def _keep(self, entry: Entry) -> None:
        if entry.status == "refused" and not self.answering:
            self.refusals.append(entry)
            if len(self.refusals) >= REFUSED_IN_A_ROW:
                doubt = ", perhaps json_schema" if self.client.llm.json_schema else ""
                place = f"llms.{self.client.name}"
                self.stop(f"the server refuses every request ({entry.finish_reason}); correct {place}{doubt}")
            return
        self.answering |= entry.status != "refused"
        self.client.journal.add(entry)
        self.budget.add(entry)
        if reason := self.budget.reached():
            self.stop(reason)
        self._settle_refusals()

    def _settle_refusals(self) -> None:
        """Write down refusals once the model has answered something; else they are asked again another time."""
        if self.answering:
            self._count_failures(len(self.refusals))
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
                    raise RequestFailed(f"{error} ({failed + 1} attempts)", gone=error.gone) from None
                wait = min(error.seconds or FIRST_WAIT * 2**failed * random.uniform(0.75, 1.25), LONGEST_PAUSE)
                log.info("%s: %s; asking again in %.1f s", request.task, error, wait)
                await sleep(wait, self.stopped)
                failed += 1
                continue
            self.pace.answered()
            self.last_answer, self.in_a_row = time.monotonic(), 0
            asked_for = self.client.asked(request, attempt)
            return self.client.entry(asked_for, said, self.last_answer - started)

    def _pause(self, error: AskAgain) -> None:
        """Let all requests wait, as the server asks; NothingCanBeAnswered if it has answered nothing for too long."""
        if time.monotonic() - self.last_answer > LONGEST_WITHOUT_ANSWER:
            raise NothingCanBeAnswered(f"{error}, for {LONGEST_WITHOUT_ANSWER / 60:.0f} minutes; ask less often")
        seconds = self.pace.pause(error.seconds)
        log.debug("%s: all requests wait %.1f s", error, seconds)

    async def _send(self, server: openai.AsyncOpenAI, request: Request, asked: list[dict[str, str]]) -> Said:
        """Send a request once; AskAgain or NothingCanBeAnswered if it is not answered."""
        llm, parameters = self.client.llm, self.client.parameters(request)
        try:
            async with sending(self.client.transport.timeout_seconds):
                # The methods of each endpoint check every message against its type, a third of the client's time.
                body = {"model": llm.model} | question(llm, asked) | parameters
                response = await server.post(ENDPOINTS[llm.endpoint], body=body, cast_to=httpx2.Response)
                return read_reply(response.json(), llm.endpoint)
        except openai.APIStatusError as error:
            if self.client.by_schema(request) and about_response_format(error):
                remedy = f"set llms.{self.client.name}.json_schema: false"
                raise NothingCanBeAnswered(f"the server refuses response_format; {remedy}") from None
            return read_error(error)


def question(llm: Llm, asked: list[dict[str, str]]) -> dict[str, Any]:
    """What is asked, as the model's endpoint takes it."""
    if llm.endpoint == "chat":
        return {"messages": asked}
    return {"prompt": "\n\n".join(message["content"] for message in asked)}


def unanswered(client: "Client", total: int, left: int, reason: str) -> UserError:
    """The error of a stage that ends with requests left to be asked."""
    return UserError(
        f"llm_transport.{client.name}: {total - left} of {total} requests are answered and saved in "
        f"{client.journal.path}; then: {reason}. Running it again asks for the remaining {left} only"
    )


@contextlib.asynccontextmanager
async def sending(seconds: float) -> AsyncIterator[None]:
    """Send something within so many seconds; AskAgain where no response comes, or none that can be read."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except openai.APIStatusError:
        raise
    except TimeoutError:
        raise AskAgain(f"no complete answer within timeout_seconds ({seconds:g} s)") from None
    except openai.APIConnectionError as error:
        cause = root_cause(error)
        if isinstance(cause, Unacceptable):
            raise AskAgain(str(cause)) from None
        raise AskAgain(f"the connection failed ({type(cause).__name__})", gone=True) from None
    except (openai.APIResponseValidationError, ValueError, RecursionError, AttributeError, TypeError):
        raise AskAgain("the server returned an invalid response") from None


def root_cause(error: BaseException) -> BaseException:
    """The error at the beginning of a chain: what the transports on top make of it is less exact."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextlib.contextmanager
def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> Iterator[None]:
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
