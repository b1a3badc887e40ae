"""Raw responses of public services, kept outside the results tree, so that a rerun fetches nothing again."""

import contextlib
import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clinragen.database import database, insert
from clinragen.errors import UserError

FILE = "responses.sqlite"
# Who asks and where to reach them: not part of the question, and not stored.
PERSONAL = frozenset({"api_key", "email", "tool"})
# A turn or pause further away stems from a clock that was wrong.
LONGEST_PAUSE = 300.0  # seconds
SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    request TEXT NOT NULL, taken TEXT NOT NULL, service TEXT NOT NULL, path TEXT NOT NULL, parameters TEXT NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (request, taken)
);
CREATE TABLE IF NOT EXISTS turns (service TEXT PRIMARY KEY, at REAL NOT NULL);
"""


@dataclass(frozen=True)
class Request:
    """A question to a public service. Its host is not part of it: a mirror gives the same responses."""

    service: str
    path: str
    parameters: Mapping[str, str]

    @property
    def question(self) -> str:
        """The parameters without those that identify who asks, as JSON in a fixed order."""
        return json.dumps({k: v for k, v in sorted(self.parameters.items()) if k not in PERSONAL})

    @property
    def key(self) -> str:
        """SHA-256 of service, path and question."""
        return hashlib.sha256("\n".join([self.service, self.path, self.question]).encode()).hexdigest()


@dataclass(frozen=True)
class Response:
    """A complete and readable response, and the time at which it arrived, in whole seconds of UTC."""

    body: bytes
    taken: datetime
    status: int = 200


class Responses:
    """The stored responses. Of each question, the first one after `refresh` counts, however often others ask later.

    Therefore the content read depends on the date only: a results tree that refreshes does not change another.
    """

    def __init__(self, connection: sqlite3.Connection, refresh: str) -> None:
        self._connection = connection
        self._refresh = refresh
        self.used: set[str] = set()
        """Keys of the requests that got a response in this run."""

    def get(self, request: Request) -> Response | None:
        """Return the first response taken on or after the date `refresh`; None without one."""
        row = self._connection.execute(
            "SELECT body, taken, status FROM responses WHERE request = ? AND taken >= ? ORDER BY taken LIMIT 1",
            (request.key, self._refresh),
        ).fetchone()
        if row is None:
            return None
        self.used.add(request.key)
        try:
            return Response(zlib.decompress(row[0]), datetime.fromisoformat(row[1]), row[2])
        except (zlib.error, ValueError) as error:
            raise sqlite3.DatabaseError(f"the response to {request.path} {request.question} is damaged") from error

    def keep(self, request: Request, response: Response) -> Response:
        """Store a response; return the one that counts, which another process may have stored meanwhile."""
        taken = response.taken.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        about = (request.key, taken, request.service, request.path, request.question)
        body = zlib.compress(response.body)
        insert(
            self._connection,
            "INSERT INTO responses SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM responses WHERE request = ? AND taken >= ?)",
            [(*about, response.status, body, request.key, self._refresh)],
        )
        return self.get(request) or response

    def turn(self, service: str, interval: float) -> float:
        """Reserve the next turn to ask a service; return the seconds to wait until then.

        Turns are `interval` seconds apart over all processes that share the file.
        """
        return self._reserve(service, lambda now, last: max(now, last + interval))

    def pause(self, service: str, seconds: float) -> None:
        """Keep all processes from asking a service for some seconds."""
        self._reserve(service, lambda now, last: max(now + min(seconds, LONGEST_PAUSE), last))

    def _reserve(self, service: str, choose: Callable[[float, float], float]) -> float:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            now = time.time()
            row = self._connection.execute("SELECT at FROM turns WHERE service = ?", (service,)).fetchone()
            last = row[0] if row and row[0] <= now + LONGEST_PAUSE else 0.0
            at = choose(now, last)
            self._connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?)", (service, at))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return at - now


@contextlib.contextmanager
def stored_responses(directory: Path, refresh: str) -> Iterator[Responses]:
    """Open the stored responses of a directory; those before the ISO date `refresh` do not count (empty: all do)."""
    if refresh > datetime.now(UTC).date().isoformat():
        raise UserError(f"knowledge.refresh: {refresh} is in the future (UTC); set it to today or an earlier date")
    with database(directory / FILE, SCHEMA) as connection:
        yield Responses(connection, refresh)
