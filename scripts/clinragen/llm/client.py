"""Asynchronous client for OpenAI-compatible servers: concurrency, retries, no duplicate requests."""

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
from clinragen.llm.journal import Entry, Journal, Sent, accepted_chain
from clinragen.llm.reply import Reply
from clinragen.llm.request import WITHOUT_TEXT, Answer, Check, Request, Status, identity_hash
from clinragen.llm.run import DirectRun

log = logging.getLogger("llm")
FINAL = ("refused", "filtered")  # a retry has the same result


@dataclass
class Client:
    """A language model on a server, with the checks of its answers and their journal."""

    name: str
    """Key of the row in `llms`."""
    llm: Llm
    transport: Transport
    destination: Destination
    journal: Journal
    check: Check
    ended: Callable[[], str] = lambda: ""
    """Returns why a server that this job has started has ended; empty while it runs."""
    failures: float = float("inf")
    """Maximum number of requests without a text; above it, no more requests are sent."""
    weights: Path | None = None
    """The directory of a served model."""

    def __post_init__(self) -> None:
        self.model = identity_hash(self.llm, self.weights)
        self.common = self.llm.parameters

    def connect(self, largest: int = LARGEST_RESPONSE) -> openai.AsyncOpenAI:
        """Return a connection to the server; `largest` is the maximum size of a response in bytes."""
        return connect(self.transport, self.destination, f"llm_transport.{self.name}", largest)

    def key(self, request: Request) -> str:
        """Return the identity of a request, as in the journal."""
        return request.key(self.model, self.llm.json_schema)

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return what is sent in addition to model and text: the parameters of the row, and the schema of the answer.

        The schema is sent as OpenAI's `response_format`, which Azure, vLLM and Ollama support as well.
        """
        if not self.by_schema(request):
            return self.common
        schema = {"name": request.task, "strict": True, "schema": request.schema}
        return self.common | {"response_format": {"type": "json_schema", "json_schema": schema}}

    def by_schema(self, request: Request) -> bool:
        """Return whether the schema of the answer is enforced."""
        return self.llm.json_schema and request.schema is not None

    def is_answered(self, requests: list[Request]) -> bool:
        """Return whether the journal contains an answer to every request, so that no server is needed."""
        return all(self.accepted_answer(request, self.chain(request)) for request in requests)

    def ask(self, requests: list[Request]) -> list[Answer]:
        """Return an answer to every request, from the journal or otherwise from the server.

        UserError if some requests remain without an answer; re-running continues with these.
        """
        unique = {self.key(request): request for request in requests}
        answers = self._from_journal(unique)
        missing = [request for key, request in unique.items() if key not in answers]
        log.info("%s: %d requests, %d already answered", self.llm.model, len(unique), len(answers))
        while missing:
            self._ask_for(missing, list(answers.values()))
            answers |= self._from_journal({self.key(request): request for request in missing})
            # Another process may have answered at the same time, and its answer may still need a repair.
            missing = [request for request in missing if self.key(request) not in answers]
        return [answers[self.key(request)] for request in requests]

    def _from_journal(self, requests: dict[str, Request]) -> dict[str, Answer]:
        """Return the accepted answers in the journal, by key."""
        answers = ((key, self.accepted_answer(request, self.chain(request))) for key, request in requests.items())
        return {key: answer for key, answer in answers if answer}

    def _ask_for(self, missing: list[Request], answered: list[Answer]) -> None:
        """Add answers to all missing requests to the journal; UserError if some remain."""
        with self._only_process() as only:
            if not only:
                # Another process may send the same requests: in different orders, each finds answers of the other.
                random.shuffle(missing)
            run = (BatchRun if self.transport.batch else DirectRun)(
                self, missing, sum(answer.without_text for answer in answered)
            )
            asyncio.run(run.ask_all())
        self.journal.flush()
        run.report(len(missing) + len(answered))

    def chain(self, request: Request) -> list[Entry]:
        """Return the answers to a request that count, by attempt."""
        entries = self.journal.answers(self.key(request))
        return accepted_chain(entries, self.parameters(request), self.llm.limit) if entries else entries

    def accepted_answer(self, request: Request, chain: list[Entry]) -> Answer | None:
        """Return the final answer, or None while the question or a repair remains to be sent.

        The final answer is the first one without problems. After the last repair, or if a retry would have the same
        result, it is the last one with a text, or the last one if there is none.
        """
        problems: list[list[str]] = []
        for entry in chain:
            problems.append(self.problems(request, entry))
            if not problems[-1]:
                return answer_of(entry, "good", [], chain)
        if not chain or (chain[-1].status not in FINAL and len(chain) <= self.llm.repairs):
            return None
        with_text = [i for i, entry in enumerate(chain) if entry.status not in WITHOUT_TEXT]
        position = with_text[-1] if with_text else -1
        best = chain[position]
        return answer_of(best, "flawed" if best.status == "answered" else best.status, problems[position], chain)

    def problems(self, request: Request, entry: Entry) -> list[str]:
        """Return the problems of an answer."""
        if entry.status in WITHOUT_TEXT:
            return [f"the answer is {entry.status} ({entry.finish_reason})"]
        cut = ["it was cut off at the longest answer allowed"] if entry.finish_reason == "length" else []
        return cut + self.check(request, entry.text)

    def messages(self, request: Request, chain: list[Entry]) -> list[dict[str, str]]:
        """Return the question; for a repair also the last answer and its problems."""
        question = [{"role": "user", "content": request.prompt}]
        if not chain or chain[-1].status != "answered":
            return question
        problems = "; ".join(self.problems(request, chain[-1]))
        return [
            *question,
            {"role": "assistant", "content": chain[-1].text},
            {"role": "user", "content": f"This does not fit: {problems}. Write the complete answer again."},
        ]

    def entry(self, sent: Sent, reply: Reply, seconds: float) -> Entry:
        """Return the journal entry of a reply."""
        return Entry(
            **vars(sent),
            model=self.llm.model,
            served_model=reply.served_model,
            status=reply.status,
            text=reply.text,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=round(seconds, 3),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def sent(self, request: Request, attempt: int) -> Sent:
        """Return the part of a journal entry that describes the request."""
        parameters = json.dumps(self.parameters(request), sort_keys=True)
        return Sent(self.key(request), attempt, request.task, request.prompt_version, parameters)

    def too_many(self, failed: int) -> str:
        """Return why this number of requests without a text ends the round; empty if it is allowed."""
        if failed <= self.failures:
            return ""
        key = f"llm_transport.{self.name}.max_failed ({self.transport.max_failed:g})"
        return f"{failed} have no text, more than {key} allows; correct llms.{self.name}, or raise max_failed"

    @contextlib.contextmanager
    def _only_process(self) -> Iterator[bool]:
        """Yield whether no other process on this file system is asking this model."""
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
    """Return an answer with the tokens of all its attempts."""
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
