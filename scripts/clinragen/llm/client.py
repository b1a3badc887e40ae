"""Asynchronous client of a server with the OpenAI protocol: concurrent, patient, and it asks nothing twice."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai

from clinragen.config.llms import Llm, Transport
from clinragen.llm.batch import BatchRun
from clinragen.llm.connection import LARGEST_RESPONSE, connect
from clinragen.llm.guard import Destination
from clinragen.llm.journal import Asked, Entry, Journal, accepted_chain
from clinragen.llm.reply import Said
from clinragen.llm.request import WITHOUT_TEXT, Answer, Check, Request, Status, identity_hash
from clinragen.llm.run import Run

log = logging.getLogger("llm")
FINAL = ("refused", "filtered")  # asking again gives the same


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
    failures: float = float("inf")
    """Requests that may end without a text; once there are more, nothing new is asked."""
    weights: Path | None = None
    """The directory of a model that is served."""

    def __post_init__(self) -> None:
        self.model = identity_hash(self.llm, self.weights)
        self.common = self.llm.parameters

    def connect(self, largest: int = LARGEST_RESPONSE) -> openai.AsyncOpenAI:
        """A connection to the server, whose responses may have so many bytes."""
        return connect(self.transport, self.destination, f"llm_transport.{self.name}", largest)

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
        while missing:
            self._ask_for(missing, [answer for answer in found.values() if answer])
            found |= {self.key(request): self.settled(request, self.chain(request)) for request in missing}
            # Another process may have answered at the same time, and its answer may still need a repair.
            missing = [request for request in missing if found[self.key(request)] is None]
        return [found[self.key(request)] for request in requests]

    def _ask_for(self, missing: list[Request], known: list[Answer]) -> None:
        """Put answers to all requests into the journal; UserError if that cannot be."""
        with self._first_to_ask() as first:
            if not first:
                # Another process may be asking the same now: each goes its own way, and looks before it asks.
                random.shuffle(missing)
            run = (BatchRun if self.transport.batch else Run)(
                self, missing, sum(answer.without_text for answer in known)
            )
            asyncio.run(run.ask_all())
        self.journal.flush()
        run.report(len(missing) + len(known))

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

    def messages(self, request: Request, chain: list[Entry]) -> list[dict[str, str]]:
        """The question, and after an answer that the checks object to, that answer and the objections."""
        asked = [{"role": "user", "content": request.prompt}]
        if not chain or chain[-1].status != "answered":
            return asked
        wrong = "; ".join(self.problems(request, chain[-1]))
        return [
            *asked,
            {"role": "assistant", "content": chain[-1].text},
            {"role": "user", "content": f"This does not fit: {wrong}. Write the complete answer again."},
        ]

    def entry(self, asked: Asked, said: Said, seconds: float) -> Entry:
        """What the model said, as it is written down."""
        return Entry(
            **vars(asked),
            model=self.llm.model,
            served_model=said.served_model,
            status=said.status,
            text=said.text,
            finish_reason=said.finish_reason,
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
            seconds=round(seconds, 3),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def asked(self, request: Request, attempt: int) -> Asked:
        """What is sent, as it is written down."""
        sent = json.dumps(self.parameters(request), sort_keys=True)
        return Asked(self.key(request), attempt, request.task, request.prompt_version, sent)

    def too_many(self, failed: int) -> str:
        """Why nothing more is asked when so many requests have no text; empty while they may be."""
        if failed <= self.failures:
            return ""
        place = f"llm_transport.{self.name}.max_failed ({self.transport.max_failed:g})"
        return f"{failed} have no text, more than {place} allows; correct llms.{self.name}, or allow more"

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


def answer_of(entry: Entry, status: Status, problems: list[str], chain: list[Entry]) -> Answer:
    """An answer, with the tokens of all attempts at it."""
    tokens = (sum(e.prompt_tokens for e in chain), sum(e.completion_tokens for e in chain))
    return Answer(
        entry.request,
        entry.text,
        status,
        tuple(problems),
        entry.served_model,
        *tokens,
        finish_reason=entry.finish_reason,
    )
