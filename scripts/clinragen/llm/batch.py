"""Requests sent as files to a server's batch API: uploaded, created, polled, downloaded; nothing is paid twice.

A job may be killed at any point. What it has uploaded is noted beside the answers (`batches`), so that the next job
takes up its batches where it left them: a batch is created once from each file, and its results are written once.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import openai

from clinragen.database import database
from clinragen.llm.batches import Batch, Batches, name_of
from clinragen.llm.budget import Budget
from clinragen.llm.journal import SCHEMA, Asked, Entry
from clinragen.llm.pace import LONGEST_PAUSE, sleep
from clinragen.llm.reply import AskAgain, NothingCanBeAnswered, Said, plain_code, read_error, read_reply
from clinragen.llm.request import Request
from clinragen.llm.run import CHARACTERS_PER_TOKEN, ENDPOINTS, question, sending, stop_on_signals, unanswered
from clinragen.runtime.progress import Progress

if TYPE_CHECKING:
    from clinragen.llm.client import Client

log = logging.getLogger("llm")
FILE_NAME = "requests.jsonl"
# OpenAI takes 50,000 requests and 200 MB a file; smaller ones need less memory, and less is asked again if one fails.
MOST_REQUESTS = 10_000
MOST_BYTES = 50_000_000
LARGEST_RESULTS = 1_000_000_000  # bytes
LONGEST_LINE = 32_000_000  # bytes of a result
FILE_SECONDS = 1800.0  # for sending or fetching a file
FIRST_WAIT = 1.0  # seconds; doubled with every failed attempt
FIRST_POLL, LONGEST_POLL = 2.0, 60.0  # seconds between two looks at a batch
ENDED = ("completed", "failed", "expired", "cancelled")
QUEUE_IS_FULL = "token_limit_exceeded"


class Waiting(NamedTuple):
    """A request that waits: as it will be written down, the question, and the answers so far."""

    asked: Asked
    request: Request
    chain: list[Entry]


class BatchRun:
    """All requests that wait, in batches, until they are answered or there is a reason to stop."""

    def __init__(self, client: "Client", missing: list[Request], failed: int) -> None:
        self.client, self.missing, self.total, self.failed = client, missing, len(missing), failed
        self.budget = Budget(client)
        self.stopped = asyncio.Event()
        self.reason = ""
        self.finished = 0
        self.most = MOST_REQUESTS
        self.tries: Counter[str] = Counter()
        # Refusals are believed once the model is known to answer: else its settings are wrong, not a request.
        self.answers = int(client.journal.has_answered(client.model))

    async def ask_all(self) -> None:
        """Submit and collect until nothing waits, repairs included."""
        client = self.client
        with (
            stop_on_signals(asyncio.get_running_loop(), self.stop),
            Progress("answers", self.total) as bar,
            database(client.journal.path, SCHEMA) as connection,
        ):
            self.batches = Batches(connection, client.destination.host, client.model)
            async with client.connect(LARGEST_RESULTS) as server:
                try:
                    while (waiting := self._waiting(bar)) and not self.stopped.is_set():
                        await self._submit(server, waiting)
                        await self._collect(server, set(waiting))
                except (AskAgain, NothingCanBeAnswered) as error:
                    self.stop(str(error))
            if held := sum(len(batch.requests) for batch in self.batches.under_way(set(self._waiting(bar)))):
                self.reason += f"; {held} requests remain with the server in batches, which the next run collects"

    def stop(self, reason: str) -> None:
        """Begin nothing new; batches that are under way go on at the server."""
        self.reason = self.reason or reason
        self.stopped.set()

    def report(self, total: int) -> None:
        """UserError if something is left to be asked."""
        if left := self.total - self.finished:
            raise unanswered(self.client, total, left, self.reason)

    def _waiting(self, bar: Progress) -> dict[str, Waiting]:
        """What is still to be asked, by its name in a batch: questions, and repairs of answers."""
        waiting, failed = {}, self.failed
        for request in self.missing:
            chain = self.client.chain(request)
            if answer := self.client.settled(request, chain):
                failed += answer.without_text
            else:
                asked = self.client.asked(request, len(chain))
                waiting[name_of(asked)] = Waiting(asked, request, chain)
        if reason := self.client.too_many(failed):
            self.stop(reason)
        bar.advance(self.total - len(waiting) - self.finished)
        self.finished = self.total - len(waiting)
        return waiting

    # --- To the server ---

    async def _submit(self, server: openai.AsyncOpenAI, waiting: dict[str, Waiting]) -> None:
        """Put what no batch holds into new ones, and create those that a killed job has uploaded."""
        async with self._alone():
            if self.stopped.is_set():
                return
            under_way = self.batches.under_way(set(waiting))
            for batch in (b for b in under_way if not b.batch):
                await self._create(server, batch.file, batch.made)
            held = {name for batch in under_way for name in batch.requests}
            for requests, content in self._files(each for name, each in waiting.items() if name not in held):
                await asyncio.to_thread(self.budget.read)
                if reason := self.budget.reached():
                    # What is under way is awaited first.
                    return None if under_way else self.stop(reason)
                log.info("%s: a batch of %d requests", self.client.llm.model, len(requests))
                file, made = await self._call(lambda content=content: self._upload(server, content), FILE_SECONDS)
                self.batches.uploaded(file, requests, made)
                await self._create(server, file, made)
                if self.stopped.is_set() or self.budget.limit is not None:
                    return None  # with a budget one at a time: what it costs is known when it is answered
        return None

    async def _upload(self, server: openai.AsyncOpenAI, content: bytes) -> tuple[str, int]:
        file = await server.files.create(file=(FILE_NAME, content), purpose="batch")
        if not file.id:
            raise AskAgain("the server returned an invalid response")
        return str(file.id), int(file.created_at or 0)

    async def _create(self, server: openai.AsyncOpenAI, file: str, made: int) -> None:
        """Create the batch of a file, unless an earlier attempt reached the server although no response came back."""

        async def create() -> Any:
            async for batch in server.batches.list(limit=100):
                if batch.input_file_id == file:
                    return batch
                if batch.created_at < made:
                    break
            endpoint = f"/v1{ENDPOINTS[self.client.llm.endpoint]}"
            return await server.batches.create(input_file_id=file, endpoint=endpoint, completion_window="24h")

        batch = await self._call(create)
        self.batches.created(file, batch.id)

    def _files(self, waiting: Iterable[Waiting]) -> Iterator[tuple[list[Asked], bytes]]:
        """Requests and content of files within the limits; with a budget, of what it pays for by a rule of thumb."""
        requests, content, dollars = [], bytearray(), 0.0
        for each in waiting:
            line = self._line(each)
            if self.budget.limit is not None:
                dollars += self.budget.price.of(len(line) / CHARACTERS_PER_TOKEN, self.client.llm.limit or 0)
            full = len(requests) >= self.most or len(content) + len(line) > MOST_BYTES or dollars > self.budget.left
            if requests and full:
                yield requests, bytes(content)
                requests, content = [], bytearray()
            requests.append(each.asked)
            content += line
        if requests:
            yield requests, bytes(content)

    def _line(self, waiting: Waiting) -> bytes:
        """A request as the file holds it."""
        llm, messages = self.client.llm, self.client.messages(waiting.request, waiting.chain)
        body = {"model": llm.model} | question(llm, messages) | self.client.parameters(waiting.request)
        url = f"/v1{ENDPOINTS[llm.endpoint]}"
        line = {"custom_id": name_of(waiting.asked), "method": "POST", "url": url, "body": body}
        return json.dumps(line).encode() + b"\n"

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """While no other process on this file system submits batches to this model."""
        path = Path(self.client.journal.path).with_name(f".submitting-{self.client.model}")
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not self.stopped.is_set():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                await sleep(FIRST_WAIT, self.stopped)
            yield
        finally:
            os.close(file)  # which unlocks

    # --- From the server ---

    async def _collect(self, server: openai.AsyncOpenAI, wanted: set[str]) -> None:
        """Wait for the batches that hold these requests, and write their results down as each one ends."""
        wait, answers, rejected = FIRST_POLL, self.answers, 0
        while not self.stopped.is_set() and (under_way := self.batches.under_way(wanted)):
            for batch in under_way:
                state = await self._look_at(server, batch)
                if state.status in ENDED:
                    rejected = max(rejected, await self._take(server, batch, state))
                    wait = FIRST_POLL
            await sleep(wait, self.stopped)
            wait = min(1.5 * wait, LONGEST_POLL)
        if rejected == 1:
            self.stop(f"the server rejects even a batch of one request ({QUEUE_IS_FULL})")
        elif rejected and self.answers == answers:
            self.most = rejected // 2
            log.info("%s: the server's queue is full; at most %d requests a batch now", self.client.name, self.most)

    async def _look_at(self, server: openai.AsyncOpenAI, batch: Batch) -> Any:
        try:
            return await self._call(lambda: server.batches.retrieve(batch.batch))
        except NothingCanBeAnswered as error:
            section = f"llm_transport.{self.client.name}"
            raise NothingCanBeAnswered(
                f"{error}, asked for {batch.batch}; use the API key of the project that made this batch, or set "
                f"{section}.batch to false, which pays for its requests again"
            ) from None

    async def _take(self, server: openai.AsyncOpenAI, batch: Batch, state: Any) -> int:
        """Write down what a batch has brought, once; the number of its requests if the server's queue was full."""
        files = [file for file in (state.output_file_id, state.error_file_id) if file]
        found = await self._call(lambda: self._results(server, files, batch), FILE_SECONDS)
        entries = {name: result for name, result in found.items() if isinstance(result, Entry)}
        fatal = [str(result) for result in found.values() if isinstance(result, NothingCanBeAnswered)]
        answered = sum(entry.status != "refused" for entry in entries.values())
        if entries and not answered + self.answers:
            fatal.append(f"the server refuses every request ({next(iter(entries.values())).finish_reason})")
            entries = {}
        if not self.batches.finish(batch.file, list(entries.values())):
            return 0  # by another process
        self.answers += answered
        for entry in entries.values():
            self.budget.add(entry)
        log.info("%s: batch %s, %d answers", self.client.llm.model, state.status, len(entries))
        await self._remove(server, [batch.file, *files])
        return self._judge(batch, state, entries, fatal)

    def _judge(self, batch: Batch, state: Any, entries: dict[str, Entry], fatal: list[str]) -> int:
        """Decide whether to go on; what has no answer is then asked again in the next batch."""
        codes = [plain_code(error.code) for error in getattr(state.errors, "data", None) or []]
        full = state.status == "failed" and QUEUE_IS_FULL in codes
        again = [] if full else batch.requests.keys() - entries.keys()
        self.tries.update(again)
        retries = self.client.transport.retries
        if fatal:
            self.stop(fatal[0])
        elif state.status == "cancelled":
            self.stop("the batch was cancelled on the server")
        elif state.status == "failed" and not full:
            self.stop(f"the server rejected the batch ({', '.join(dict.fromkeys(codes)) or 'no reason given'})")
        elif given_up := sum(self.tries[name] > retries for name in again):
            self.stop(
                f"{given_up} requests stay without an answer ({retries + 1} batches, the last one {state.status})"
            )
        return len(batch.requests) if full else 0

    async def _results(
        self, server: openai.AsyncOpenAI, files: list[str], batch: Batch
    ) -> dict[str, Entry | NothingCanBeAnswered]:
        """What the result files of a batch say, by request; requests to be asked again are missing."""
        found: dict[str, Entry | NothingCanBeAnswered] = {}
        for file in files:
            async with server.files.with_streaming_response.content(file) as response:
                async for line in _lines(response.iter_bytes()):
                    name, said = self._read(line)
                    if name in batch.requests and name not in found and said is not None:
                        # A batch does not say how long each answer took.
                        asked = batch.requests[name]
                        found[name] = self.client.entry(asked, said, 0.0) if isinstance(said, Said) else said
        return found

    def _read(self, line: bytes) -> tuple[str, Said | NothingCanBeAnswered | None]:
        """The name of a request and what a result line says of it; None if it is to be asked again."""
        name = ""
        try:
            result = json.loads(line)
            name = str(result["custom_id"])
            response = result["response"]
            status, body = int(response["status_code"]), response["body"]
            if status == 200:
                return name, read_reply(body, self.client.llm.endpoint)
            inner = body.get("error", body) if isinstance(body, dict) else body
            faked = httpx2.Response(status, request=httpx2.Request("POST", "http://batch.invalid"))
            return name, read_error(openai.APIStatusError("", response=faked, body=inner))
        except NothingCanBeAnswered as error:
            return name, error
        except (AskAgain, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return name, None

    async def _remove(self, server: openai.AsyncOpenAI, files: list[str]) -> None:
        """Delete files on the server: they hold the texts that were sent and answered."""
        for file in files:
            try:
                await self._call(lambda file=file: server.files.delete(file))
            except (AskAgain, NothingCanBeAnswered) as error:
                log.warning("the file %s stays on the server (%s); delete it there", file, error)

    async def _call(self, send: Callable[[], Awaitable[Any]], seconds: float | None = None) -> Any:
        """What a call of the server returns, through whatever passes with waiting; else AskAgain after `retries`."""
        failed = 0
        while True:
            try:
                async with sending(seconds or self.client.transport.timeout_seconds):
                    return await send()
            except openai.APIStatusError as error:
                refusal = _refusal(error)
            except AskAgain as error:
                refusal = error
            if isinstance(refusal, NothingCanBeAnswered) or failed >= self.client.transport.retries:
                raise refusal
            wait = min(refusal.seconds or FIRST_WAIT * 2**failed, LONGEST_PAUSE)
            log.info("batches: %s; asking again in %.1f s", refusal, wait)
            await sleep(wait, self.stopped)
            if self.stopped.is_set():
                raise refusal
            failed += 1


def _refusal(error: openai.APIStatusError) -> AskAgain | NothingCanBeAnswered:
    """What an error status means where no answer to a request was expected."""
    try:
        return NothingCanBeAnswered(f"the batch API refuses: {read_error(error).finish_reason}")
    except (AskAgain, NothingCanBeAnswered) as meaning:
        return meaning


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a file that comes in pieces; AskAgain at one that is too long to be a result."""
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield bytes(line)
        if len(rest) > LONGEST_LINE:
            raise AskAgain("the server returned an invalid response")
    if rest:
        yield bytes(rest)
