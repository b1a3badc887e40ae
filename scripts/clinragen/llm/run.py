"""Requests sent individually to a server with the OpenAI protocol, concurrently and with retries."""

import asyncio
import logging
import random
import sqlite3
import time
from typing import TYPE_CHECKING

import httpx2
import openai

from clinragen.errors import UserError
from clinragen.llm.journal import Entry
from clinragen.llm.pace import LONGEST_PAUSE, Pace, sleep
from clinragen.llm.reply import FatalError, Reply, TransientError, about_response_format, read_error, read_reply
from clinragen.llm.request import CHARACTERS_PER_TOKEN, Request
from clinragen.llm.round import Round, stop_on_signals
from clinragen.llm.sending import body_of, path_of, sending
from clinragen.runtime.progress import Progress

if TYPE_CHECKING:
    from clinragen.llm.client import Client

log = logging.getLogger("llm")
FIRST_WAIT = 1.0  # seconds before a failed request is sent again; doubled after every failure
LONGEST_WITHOUT_ANSWER = 1800.0  # seconds during which a server may ask for pauses and answer nothing
FAILURES_IN_A_ROW = 3  # requests that failed after all attempts; then the server counts as down
LOOKED_UP = 16  # requests that are looked up together before they are sent
REFUSED_IN_A_ROW = 20  # refused requests without any answer; then every request counts as refused


class RequestFailed(Exception):
    """One request has no answer after all attempts; the others may get theirs unless the server is `gone`."""

    def __init__(self, reason: str, *, gone: bool) -> None:
        super().__init__(reason)
        self.gone = gone


class DirectRun(Round):
    """Requests sent individually by concurrent workers."""

    def __init__(self, client: "Client", missing: list[Request], failed: int) -> None:
        super().__init__(client, missing, failed)
        self.workers = min(client.transport.concurrency, self.total)
        self.queue: asyncio.Queue[tuple[Request, list[Entry]] | None] = asyncio.Queue(self.workers)
        self.pace = Pace(client.transport)
        self.in_a_row = 0
        # Refusals are recorded only once the model has answered something: until then its settings may be wrong.
        self.answering = client.journal.has_answered(client.model)
        self.refusals: list[Entry] = []
        self.last_answer = time.monotonic()
        self._count_failures(0)

    async def ask_all(self) -> None:
        """Ask until no request remains, or there is a reason to stop; requests that were sent are awaited."""
        loop = asyncio.get_running_loop()
        with stop_on_signals(loop, self.stop), Progress("answers", self.total) as bar:
            feeding = asyncio.create_task(self._feed())
            async with self.client.connect() as server, asyncio.TaskGroup() as group:
                for _ in range(self.workers):
                    group.create_task(self._work(server, bar))
            feeding.cancel()
        self._record_refusals()

    async def _feed(self) -> None:
        """Hand requests to the workers, looking up each group again because another process may have answered it.

        The lookup runs in a separate thread because it blocks while answers are being written.
        """
        try:
            for start in range(0, self.total, LOOKED_UP):
                group = self.missing[start : start + LOOKED_UP]
                chains = await asyncio.to_thread(self._look_up, group)
                if reason := self.budget.reached():
                    self.stop(reason)
                    break
                for item in zip(group, chains, strict=True):
                    await self.queue.put(item)
        except sqlite3.Error as error:
            self.stop(f"{self.client.journal.path}: {error}")
        for _ in range(self.workers):
            await self.queue.put(None)

    def _look_up(self, group: list[Request]) -> list[list[Entry]]:
        self.budget.read()
        return [self.client.chain(request) for request in group]

    async def _work(self, server: openai.AsyncOpenAI, bar: Progress) -> None:
        while item := await self.queue.get():
            try:
                if not await self._ask_until_accepted(server, *item):
                    return
                self.finished += 1
                bar.advance()
            except RequestFailed as error:
                self.failures.append(str(error))
                self.in_a_row += error.gone
                if self.in_a_row >= FAILURES_IN_A_ROW:
                    self.stop(str(error))
            except (FatalError, UserError) as error:
                self.stop(str(error))
            if self.stopped.is_set():
                return

    async def _ask_until_accepted(self, server: openai.AsyncOpenAI, request: Request, chain: list[Entry]) -> bool:
        """Ask, and ask for repairs while the checks report problems; False if the round stops first."""
        client = self.client
        while (answer := client.accepted_answer(request, chain)) is None:
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
                hint = ", perhaps json_schema" if self.client.llm.json_schema else ""
                self.stop(
                    f"the server refuses every request ({entry.finish_reason}); correct llms.{self.client.name}{hint}"
                )
            return
        self.answering |= entry.status != "refused"
        self.client.journal.add(entry)
        self.budget.add(entry)
        if reason := self.budget.reached():
            self.stop(reason)
        self._record_refusals()

    def _record_refusals(self) -> None:
        """Record refusals if the model has answered something; otherwise they are requested again next time."""
        if self.answering:
            self._count_failures(len(self.refusals))
            for entry in self.refusals:
                self.client.journal.add(entry)
        else:
            self.finished -= len(self.refusals)
            self.failures += [f"the server refuses it ({entry.finish_reason})" for entry in self.refusals]
        self.refusals = []

    async def _ask(
        self, server: openai.AsyncOpenAI, request: Request, messages: list[dict[str, str]], attempt: int
    ) -> Entry | None:
        """Return one answer, retrying after transient errors; None if the round stops first."""
        characters = sum(len(message["content"]) for message in messages)
        tokens = characters // CHARACTERS_PER_TOKEN + (self.client.llm.limit or 0)
        failed = 0
        while True:
            await self.pace.turn(tokens, self.stopped)
            if self.stopped.is_set():
                return None
            started = time.monotonic()
            try:
                reply = await self._send(server, request, messages)
            except TransientError as error:
                if reason := self.client.ended():
                    raise FatalError(reason) from None
                if error.busy:
                    self._pause(error)
                    continue
                self.pace.failed()
                if failed >= self.client.transport.retries:
                    raise RequestFailed(f"{error} ({failed + 1} attempts)", gone=error.gone) from None
                wait = min(error.seconds or FIRST_WAIT * 2**failed * random.uniform(0.75, 1.25), LONGEST_PAUSE)
                log.info("%s: %s; retrying in %.1f s", request.task, error, wait)
                await sleep(wait, self.stopped)
                failed += 1
                continue
            self.pace.answered()
            self.last_answer, self.in_a_row = time.monotonic(), 0
            return self.client.entry(self.client.sent(request, attempt), reply, self.last_answer - started)

    def _pause(self, error: TransientError) -> None:
        """Pause all requests, as the server asks; FatalError if it has not answered for too long."""
        if time.monotonic() - self.last_answer > LONGEST_WITHOUT_ANSWER:
            raise FatalError(f"{error}, for {LONGEST_WITHOUT_ANSWER / 60:.0f} minutes; send requests less often")
        seconds = self.pace.pause(error.seconds)
        log.debug("%s: all requests wait %.1f s", error, seconds)

    async def _send(self, server: openai.AsyncOpenAI, request: Request, messages: list[dict[str, str]]) -> Reply:
        """Send a request once; TransientError or FatalError if it is not answered."""
        llm, parameters = self.client.llm, self.client.parameters(request)
        try:
            async with sending(self.client.transport.timeout_seconds):
                # The typed methods of each endpoint validate every message, a third of the client's time.
                body = body_of(llm, messages, parameters)
                response = await server.post(path_of(llm), body=body, cast_to=httpx2.Response)
                return read_reply(response.json(), llm.endpoint)
        except openai.APIStatusError as error:
            if self.client.by_schema(request) and about_response_format(error):
                remedy = f"set llms.{self.client.name}.json_schema: false"
                raise FatalError(f"the server refuses response_format; {remedy}") from None
            return read_error(error)
