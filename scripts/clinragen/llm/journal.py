"""The journal: every answer that was given, outside the results tree, so that none is paid for twice."""

import json
import queue
import sqlite3
import threading
from contextlib import ExitStack
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

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
class Asked:
    """What an entry says of the request that was sent."""

    request: str
    attempt: int
    task: str
    prompt_version: str
    parameters: str


@dataclass(frozen=True)
class Entry:
    """One answer as the server gave it; `attempt` 0 is the question, later ones its repairs.

    `status` is `answered`, or why there is no text: `refused`, `filtered`, `empty`.
    """

    request: str
    attempt: int
    task: str
    model: str
    served_model: str
    prompt_version: str
    parameters: str
    """What was sent besides model and text, as JSON."""
    status: str
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
    """Different ones; the other answers are repairs, or replace answers that were cut."""
    output_tokens: int
    seconds: float
    timed: int
    """Answers with a time; those of batches have none."""


NAMES = tuple(field.name for field in fields(Entry))
COLUMNS = ", ".join(NAMES)
INSERT = f"INSERT INTO answers ({COLUMNS}) VALUES ({', '.join('?' for _ in NAMES)})"
columns_of = attrgetter(*NAMES)
# Of one model: `-` ends its part of a request, and `.` follows it in the order of characters.
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
    """Answers by request; several processes may have the same file open. Use it with `with`.

    Answers are written by a thread of its own, all that wait in one transaction: the time that a disk takes holds up
    nobody who asks.
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
        """Answers to a request that are on the disk, in the order in which they were given."""
        return [Entry(*row) for row in self._reading.execute(SELECT, (request,))]

    def spent(self, model: str, after: int = 0) -> tuple[int, float, float]:
        """The place of the last answer of a model (`identity_hash`), and the tokens in and out of all after a place."""
        last, tokens_in, tokens_out = self._reading.execute(SPENT, (after, model, model)).fetchone()
        return max(last, after), tokens_in, tokens_out

    def has_answered(self, model: str) -> bool:
        """Whether it holds any text of a model (`identity_hash`)."""
        return self._reading.execute(ANSWERED, (model, model)).fetchone() is not None

    def experience(self, model: str) -> dict[str, Experience]:
        """What the answers of a model (`identity_hash`) were like, by task."""
        return {task: Experience(*row) for task, *row in self._reading.execute(EXPERIENCE, (model, model))}

    def add(self, entry: Entry) -> None:
        """Hand an answer to the writer; UserError if an earlier one could not be written."""
        self.check()
        self._queue.put(entry)

    def flush(self) -> None:
        """Return when everything that was added is on the disk; UserError if it could not be written."""
        self._queue.join()
        self.check()

    def check(self) -> None:
        """Raise the UserError of a write that failed."""
        if self._error:
            raise self._error

    def _write(self) -> None:
        try:
            with database(self.path, SCHEMA) as connection:
                while self._write_waiting(connection):
                    pass
        except Exception as error:
            # Whatever it is, nobody may wait for this thread. Some errors hold the text, which no message may show.
            unknown = UserError(f"{self.path}: an answer cannot be written ({type(error).__name__}); run again")
            self._error = error if isinstance(error, UserError) else unknown
            while self._queue.get() is not None:  # nobody waits for what can no longer be written
                self._queue.task_done()

    def _write_waiting(self, connection: sqlite3.Connection) -> bool:
        """Write all answers that wait, at least one; False at the end."""
        waiting = [self._queue.get()]
        while not self._queue.empty():
            waiting.append(self._queue.get_nowait())
        try:
            if rows := [columns_of(entry) for entry in waiting if entry]:
                insert(connection, INSERT, rows)
        except Exception:
            # Put back, so that who waits for them goes on only once `_write` has noted the error.
            for entry in waiting:
                self._queue.put(entry)
            raise
        finally:
            for _ in waiting:
                self._queue.task_done()
        return waiting[-1] is not None


def accepted_chain(entries: list[Entry], parameters: dict[str, Any], limit: int | None) -> list[Entry]:
    """The answers that count, by attempt: the first of each, but one that ended by itself before one that was cut.

    So an answer that was used stays the answer, also where another process has asked the same at the same time. Two
    kinds count only under the parameters that they were asked with: an answer that was cut where the limit is higher
    now, and one that the server refused.
    """
    chain: list[Entry] = []
    for entry in entries:
        if entry.finish_reason == "length" or entry.status == "refused":
            asked = json.loads(entry.parameters)
            then = asked.get("max_completion_tokens") or asked.get("max_tokens")
            raised = then is not None and (limit is None or limit > then)
            if asked != parameters and (entry.status == "refused" or raised):
                continue
        if entry.attempt == len(chain) or (entry.attempt < len(chain) and _is_cut(chain[entry.attempt], entry)):
            chain = [*chain[: entry.attempt], entry]
    return chain


def _is_cut(first: Entry, other: Entry) -> bool:
    return first.finish_reason == "length" and other.finish_reason != "length"
