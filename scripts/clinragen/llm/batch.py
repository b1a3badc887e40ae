"""Requests sent as files to a server's batch API: upload, create, poll, download; no request is paid for twice.

A job may be killed at any point. Its uploads are recorded next to the answers (`batches`), so that the next job
continues with its batches: one batch is created per file, and its results are recorded once.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import openai

from clinragen.database import database
from clinragen.llm.batches import Batch, Batches, name_of
from clinragen.llm.journal import SCHEMA, Entry, Sent
from clinragen.llm.pace import LONGEST_PAUSE, sleep
from clinragen.llm.reply import (
    INVALID_RESPONSE,
    FatalError,
    Reply,
    TransientError,
    plain_code,
    read_error,
    read_reply,
)
from clinragen.llm.request import CHARACTERS_PER_TOKEN, Request
from clinragen.llm.round import Round, stop_on_signals
from clinragen.llm.sending import ENDPOINTS, body_of, sending
from clinragen.runtime.progress import Progress

if TYPE_CHECKING:
    from clinragen.llm.client import Client

log = logging.getLogger("llm")
FILE_NAME = "requests.jsonl"
# OpenAI accepts 50,000 requests and 200 MB per file; smaller files need less memory and lose less if one fails.
MOST_REQUESTS = 10_000
MOST_BYTES = 50_000_000
LARGEST_RESULTS = 1_000_000_000  # bytes
LONGEST_LINE = 32_000_000  # bytes of a result
FILE_SECONDS = 1800.0  # for sending or fetching a file
FIRST_WAIT = 1.0  # seconds; doubled after every failed attempt
FIRST_POLL, LONGEST_POLL = 2.0, 60.0  # seconds between two polls of a batch
ENDED = ("completed", "failed", "expired", "cancelled")
QUEUE_IS_FULL = "token_limit_exceeded"


class Pending(NamedTuple):
    """A request without an accepted answer: its record as it will be sent, and the answers so far."""

    sent: Sent
    request: Request
    chain: list[Entry]


class BatchRun(Round):
    """Requests sent in batches."""

    def __init__(self, client: "Client", missing: list[Request], failed: int) -> None:
        super().__init__(client, missing, failed)
        self.most = MOST_REQUESTS
        self.tries: Counter[str] = Counter()
        # Refusals are recorded only once the model has answered something: until then its settings may be wrong.
        self.answers = int(client.journal.has_answered(client.model))

    async def ask_all(self) -> None:
        """Submit and collect batches until no request or repair remains, or there is a reason to stop.

        Batches that were created continue on the server.
        """
        client = self.client
        with (
            stop_on_signals(asyncio.get_running_loop(), self.stop),
            Progress("answers", self.total) as bar,
            database(client.journal.path, SCHEMA) as connection,
        ):
            self.batches = Batches(connection, client.destination.host, client.model)
            async with client.connect(LARGEST_RESULTS) as server:
                try:
                    while (pending := self._pending(bar)) and not self.stopped.is_set():
                        await self._submit(server, pending)
                        await self._collect(server, set(pending))
                except (TransientError, FatalError) as error:
                    self.stop(str(error))
            if remaining := sum(len(batch.requests) for batch in self.batches.under_way(set(self._pending(bar)))):
                self.reason += f"; {remaining} requests remain on the server in batches, which the next run collects"

    def _pending(self, bar: Progress) -> dict[str, Pending]:
        """Return questions without an answer and repairs of answers, by their names in a batch."""
        pending, failed = {}, self.failed
        for request in self.missing:
            chain = self.client.chain(request)
            if answer := self.client.accepted_answer(request, chain):
                failed += answer.without_text
            else:
                sent = self.client.sent(request, len(chain))
                pending[name_of(sent)] = Pending(sent, request, chain)
        if reason := self.client.too_many(failed):
            self.stop(reason)
        bar.advance(self.total - len(pending) - self.finished)
        self.finished = self.total - len(pending)
        return pending

    # --- To the server ---

    async def _submit(self, server: openai.AsyncOpenAI, pending: dict[str, Pending]) -> None:
        """Put requests that are in no batch into new ones, and create the batches of files that a killed job left."""
        async with self._exclusive():
            if self.stopped.is_set():
                return
            under_way = self.batches.under_way(set(pending))
            for batch in (b for b in under_way if not b.batch):
                await self._create(server, batch.file, batch.made)
            batched = {name for batch in under_way for name in batch.requests}
            for requests, content in self._files(each for name, each in pending.items() if name not in batched):
                await asyncio.to_thread(self.budget.read)
                if reason := self.budget.reached():
                    # Batches under way are awaited first.
                    if not under_way:
                        self.stop(reason)
                    return
                log.info("%s: a batch of %d requests", self.client.llm.model, len(requests))
                file, made = await self._call(partial(self._upload, server, content), FILE_SECONDS)
                self.batches.uploaded(file, requests, made)
                await self._create(server, file, made)
                if self.stopped.is_set() or self.budget.limit is not None:
                    return  # with a budget only one batch at a time, because its cost is known only afterwards

    async def _upload(self, server: openai.AsyncOpenAI, content: bytes) -> tuple[str, int]:
        file = await server.files.create(file=(FILE_NAME, content), purpose="batch")
        if not file.id:
            raise TransientError(INVALID_RESPONSE)
        return str(file.id), int(file.created_at or 0)

    async def _create(self, server: openai.AsyncOpenAI, file: str, made: int) -> None:
        """Create the batch of a file, unless an earlier attempt did so although its response was lost."""

        async def create() -> Any:
            async for batch in server.batches.list(limit=100):
                if batch.input_file_id == file:
                    return batch
                if batch.created_at < made:
                    break
            endpoint = ENDPOINTS[self.client.llm.endpoint]
            return await server.batches.create(input_file_id=file, endpoint=endpoint, completion_window="24h")

        batch = await self._call(create)
        self.batches.created(file, batch.id)

    def _files(self, pending: Iterable[Pending]) -> Iterator[tuple[list[Sent], bytes]]:
        """Yield requests and content of files within the limits and, by a rule of thumb, within the budget."""
        requests: list[Sent] = []
        content, dollars = bytearray(), 0.0
        for each in pending:
            line = self._line(each)
            if self.budget.limit is not None:
                dollars += self.budget.cost(len(line) / CHARACTERS_PER_TOKEN, self.client.llm.limit or 0)
            full = len(requests) >= self.most or len(content) + len(line) > MOST_BYTES or dollars > self.budget.left
            if requests and full:
                yield requests, bytes(content)
                requests, content = [], bytearray()
            requests.append(each.sent)
            content += line
        if requests:
            yield requests, bytes(content)

    def _line(self, pending: Pending) -> bytes:
        """Return a request as a line of the file."""
        llm, messages = self.client.llm, self.client.messages(pending.request, pending.chain)
        body = body_of(llm, messages, self.client.parameters(pending.request))
        line = {"custom_id": name_of(pending.sent), "method": "POST", "url": ENDPOINTS[llm.endpoint], "body": body}
        return json.dumps(line).encode() + b"\n"

    @contextlib.asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[None]:
        """Wait until no other process on this file system submits batches to this model, and keep it so."""
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

    async def _collect(self, server: openai.AsyncOpenAI, names: set[str]) -> None:
        """Wait for the batches that contain these requests, and record the results of each one when it ends."""
        wait, answers, rejected = FIRST_POLL, self.answers, 0
        while not self.stopped.is_set() and (under_way := self.batches.under_way(names)):
            for batch in under_way:
                state = await self._poll(server, batch)
                if state.status in ENDED:
                    rejected = max(rejected, await self._record(server, batch, state))
                    wait = FIRST_POLL
            await sleep(wait, self.stopped)
            wait = min(1.5 * wait, LONGEST_POLL)
        if rejected == 1:
            self.stop(f"the server rejects even a batch of one request ({QUEUE_IS_FULL})")
        elif rejected and self.answers == answers:
            self.most = rejected // 2
            log.info("%s: the server's queue is full; now at most %d requests per batch", self.client.name, self.most)

    async def _poll(self, server: openai.AsyncOpenAI, batch: Batch) -> Any:
        try:
            return await self._call(partial(server.batches.retrieve, batch.batch))
        except FatalError as error:
            section = f"llm_transport.{self.client.name}"
            raise FatalError(
                f"{error} (batch {batch.batch}); use the API key of the project that created this batch, or set "
                f"{section}.batch to false, which pays for its requests again"
            ) from None

    async def _record(self, server: openai.AsyncOpenAI, batch: Batch, state: Any) -> int:
        """Record the results of a batch, once; return the number of its requests if the server's queue was full."""
        files = [file for file in (state.output_file_id, state.error_file_id) if file]
        results = await self._call(partial(self._results, server, files, batch), FILE_SECONDS)
        entries = {name: result for name, result in results.items() if isinstance(result, Entry)}
        fatal = [str(result) for result in results.values() if isinstance(result, FatalError)]
        answered = sum(entry.status != "refused" for entry in entries.values())
        if entries and not answered + self.answers:
            fatal.append(f"the server refuses every request ({next(iter(entries.values())).finish_reason})")
            entries = {}
        if not self.batches.finish(batch.file, list(entries.values())):
            return 0  # another process has recorded them
        self.answers += answered
        for entry in entries.values():
            self.budget.add(entry)
        log.info("%s: batch %s, %d answers", self.client.llm.model, state.status, len(entries))
        await self._delete(server, [batch.file, *files])
        return self._stop_or_retry(batch, state, entries, fatal)

    def _stop_or_retry(self, batch: Batch, state: Any, entries: dict[str, Entry], fatal: list[str]) -> int:
        """Stop if there is a reason; otherwise the next batch repeats the requests without an answer."""
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
                f"{given_up} requests remain without an answer ({retries + 1} batches, the last one {state.status})"
            )
        return len(batch.requests) if full else 0

    async def _results(
        self, server: openai.AsyncOpenAI, files: list[str], batch: Batch
    ) -> dict[str, Entry | FatalError]:
        """Return the results in the files of a batch by request, without those to be retried."""
        results: dict[str, Entry | FatalError] = {}
        for file in files:
            async with server.files.with_streaming_response.content(file) as response:
                async for line in _lines(response.iter_bytes()):
                    name, reply = self._read(line)
                    if name in batch.requests and name not in results and reply is not None:
                        # A batch does not report the time of single answers.
                        sent = batch.requests[name]
                        results[name] = self.client.entry(sent, reply, 0.0) if isinstance(reply, Reply) else reply
        return results

    def _read(self, line: bytes) -> tuple[str, Reply | FatalError | None]:
        """Return the name of a request and the reply in a result line; None if it is to be retried."""
        name = ""
        try:
            result = json.loads(line)
            name = str(result["custom_id"])
            response = result["response"]
            status, body = int(response["status_code"]), response["body"]
            if status == 200:
                return name, read_reply(body, self.client.llm.endpoint)
            inner = body.get("error", body) if isinstance(body, dict) else body
            equivalent = httpx2.Response(status, request=httpx2.Request("POST", "http://batch.invalid"))
            return name, read_error(openai.APIStatusError("", response=equivalent, body=inner))
        except FatalError as error:
            return name, error
        except (TransientError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return name, None

    async def _delete(self, server: openai.AsyncOpenAI, files: list[str]) -> None:
        """Delete files on the server, because they contain requests and answers."""
        for file in files:
            try:
                await self._call(partial(server.files.delete, file))
            except (TransientError, FatalError) as error:
                log.warning("file %s remains on the server (%s); delete it there", file, error)

    async def _call(self, send: Callable[[], Awaitable[Any]], seconds: float | None = None) -> Any:
        """Return the result of a call, retrying after transient errors up to `retries` times."""
        refusal: TransientError | FatalError
        failed = 0
        while True:
            try:
                async with sending(seconds or self.client.transport.timeout_seconds):
                    return await send()
            except openai.APIStatusError as error:
                refusal = _refusal(error)
            except TransientError as error:
                refusal = error
            if isinstance(refusal, FatalError) or failed >= self.client.transport.retries:
                raise refusal
            wait = min(refusal.seconds or FIRST_WAIT * 2**failed, LONGEST_PAUSE)
            log.info("batches: %s; retrying in %.1f s", refusal, wait)
            await sleep(wait, self.stopped)
            if self.stopped.is_set():
                raise refusal
            failed += 1


def _refusal(error: openai.APIStatusError) -> TransientError | FatalError:
    """Return the meaning of an error status of a call that is not a request to the model."""
    try:
        return FatalError(f"the batch API refuses: {read_error(error).finish_reason}")
    except (TransientError, FatalError) as meaning:
        return meaning


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a file that arrives in pieces; TransientError if one is too long to be a result."""
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield bytes(line)
        if len(rest) > LONGEST_LINE:
            raise TransientError(INVALID_RESPONSE)
    if rest:
        yield bytes(rest)
