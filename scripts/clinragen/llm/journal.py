"""The journal: every answer of a language model, kept outside the results tree so that none is paid for twice."""

import json
import queue
import sqlite3
import threading
from contextlib import ExitStack
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Self

from clinragen.database import database, insert
from clinragen.errors import UserError

FILE = "answers.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    request TEXT NOT NULL, attempt INTEGER NOT NULL, task TEXT NOT NULL, model TEXT NOT NULL,
    served_model TEXT NOT NULL, prompt_version TEXT NOT NULL, parameters TEXT NOT NULL, status TEXT NOT NULL,
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, time TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answers_by_request ON answers (request, attempt);
"""


@dataclass(frozen=True)
class Sent:
    """The part of an entry that describes the request."""

    request: str
    attempt: int
    task: str
    prompt_version: str
    parameters: str


@dataclass(frozen=True)
class Entry:
    """One answer of the server; `attempt` 0 is the question, later ones its repairs."""

    request: str
    attempt: int
    task: str
    model: str
    served_model: str
    prompt_version: str
    parameters: str
    """Parameters sent in addition to model and text, as JSON."""
    status: Literal["answered", "refused", "filtered", "empty"]
    """`answered`, or the reason for a missing text."""
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    time: str


@dataclass(frozen=True)
class Experience:
    """Sums over the answers of one model to one task."""

    answers: int
    requests: int
    """Distinct requests; the other answers are repairs, or replace answers that were cut."""
    output_tokens: int
    seconds: float
    timed: int
    """Number of answers with a time; those of batches have none."""


NAMES = tuple(field.name for field in fields(Entry))
COLUMNS = ", ".join(NAMES)
INSERT = f"INSERT INTO answers ({COLUMNS}) VALUES ({', '.join('?' for _ in NAMES)})"
columns_of = attrgetter(*NAMES)
# A request begins with the model and `-`; `.` is the next character, so BETWEEN selects the requests of one model.
SPENT = """
SELECT coalesce(max(rowid), 0), total(prompt_tokens), total(completion_tokens) FROM answers
WHERE rowid > ? AND +request BETWEEN ? || '-' AND ? || '.'
"""
ANSWERED = """
SELECT 1 FROM answers WHERE request BETWEEN ? || '-' AND ? || '.' AND status = 'answered' LIMIT 1
"""
EXPERIENCE = """
SELECT task, count(*), count(DISTINCT request), sum(completion_tokens), total(seconds), sum(seconds > 0) FROM answers
WHERE request BETWEEN ? || '-' AND ? || '.' AND status = 'answered' GROUP BY task
"""
SELECT = f"SELECT {COLUMNS} FROM answers WHERE request = ? ORDER BY rowid"


class Journal:
    """A context manager for the answers by request; several processes may have the same file open.

    A separate thread writes all pending answers in one transaction, so that disk writes do not delay requests.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = ExitStack()
        self._queue: queue.Queue[Entry | None] = queue.Queue()
        self._error: UserError | None = None

    def __enter__(self) -> Self:
        self._reading = self._open.enter_context(database(self.path, SCHEMA))
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.put(None)
        self._writer.join()
        self._open.close()
        if kind is None:
            self.check()

    def answers(self, request: str) -> list[Entry]:
        """Return the answers to a request that are on disk, in the order of their arrival."""
        return [Entry(*row) for row in self._reading.execute(SELECT, (request,))]

    def spent(self, model: str, after: int = 0) -> tuple[int, float, float]:
        """Return the row of a model's last answer, and the input and output tokens of its answers after row `after`.

        `model` is an `identity_hash`, here and below.
        """
        last, tokens_in, tokens_out = self._reading.execute(SPENT, (after, model, model)).fetchone()
        return max(last, after), tokens_in, tokens_out

    def has_answered(self, model: str) -> bool:
        """Return whether it contains a text of a model."""
        return self._reading.execute(ANSWERED, (model, model)).fetchone() is not None

    def experience(self, model: str) -> dict[str, Experience]:
        """Return statistics of the answers of a model, by task."""
        return {task: Experience(*row) for task, *row in self._reading.execute(EXPERIENCE, (model, model))}

    def add(self, entry: Entry) -> None:
        """Pass an answer to the writer; UserError if an earlier one could not be written."""
        self.check()
        self._queue.put(entry)

    def flush(self) -> None:
        """Wait until all added answers are on disk; UserError if one could not be written."""
        self._queue.join()
        self.check()

    def check(self) -> None:
        """Raise the UserError of a failed write."""
        if self._error:
            raise self._error

    def _write(self) -> None:
        try:
            with database(self.path, SCHEMA) as connection:
                while self._write_pending(connection):
                    pass
        except Exception as error:
            # No thread may wait for this one after any error. The text of some errors contains the answer.
            unknown = UserError(f"{self.path}: an answer cannot be written ({type(error).__name__}); run again")
            self._error = error if isinstance(error, UserError) else unknown
            while self._queue.get() is not None:  # release threads that wait for answers that cannot be written
                self._queue.task_done()

    def _write_pending(self, connection: sqlite3.Connection) -> bool:
        """Write all pending answers, at least one; False at the end."""
        pending = [self._queue.get()]
        while not self._queue.empty():
            pending.append(self._queue.get_nowait())
        try:
            if rows := [columns_of(entry) for entry in pending if entry]:
                insert(connection, INSERT, rows)
        except Exception:
            # Put back, so that waiting threads continue only after `_write` has set the error.
            for entry in pending:
                self._queue.put(entry)
            raise
        finally:
            for _ in pending:
                self._queue.task_done()
        return pending[-1] is not None


def accepted_chain(entries: list[Entry], parameters: dict[str, Any], limit: int | None) -> list[Entry]:
    """Return the answers that count, by attempt: the first of each, but preferably one that was not cut.

    So a used answer is not replaced when another process sends the same request at the same time. Two kinds count only
    with the parameters of their request: a cut answer if the limit is higher now, and a refusal.
    """
    chain: list[Entry] = []
    for entry in entries:
        if entry.finish_reason == "length" or entry.status == "refused":
            sent = json.loads(entry.parameters)
            old_limit = sent.get("max_completion_tokens") or sent.get("max_tokens")
            raised = old_limit is not None and (limit is None or limit > old_limit)
            if sent != parameters and (entry.status == "refused" or raised):
                continue
        if entry.attempt == len(chain) or (entry.attempt < len(chain) and _is_cut(chain[entry.attempt], entry)):
            chain = [*chain[: entry.attempt], entry]
    return chain


def _is_cut(first: Entry, other: Entry) -> bool:
    return first.finish_reason == "length" and other.finish_reason != "length"
