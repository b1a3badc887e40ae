"""Batches on a server, recorded next to the answers so that the job after a killed one finds them."""

import json
import sqlite3
from dataclasses import astuple, dataclass

from clinragen.database import insert, transaction
from clinragen.llm.journal import INSERT, Entry, Sent

SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    file TEXT PRIMARY KEY, batch TEXT NOT NULL, host TEXT NOT NULL, model TEXT NOT NULL, requests TEXT NOT NULL,
    made INTEGER NOT NULL, done INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Batch:
    """A file of requests on a server, and the batch that was created from it."""

    file: str
    """The server's name of the uploaded file."""
    batch: str
    """The server's name of the batch; empty if the job ended between upload and creation."""
    requests: dict[str, Sent]
    """Its requests by their names in the batch (`name_of`)."""
    made: int
    """Time of the upload by the server's clock, in seconds since 1970."""


class Batches:
    """The batches of one model on one server, in the database of the journal."""

    def __init__(self, connection: sqlite3.Connection, host: str, model: str) -> None:
        self._connection, self._host, self._model = connection, host, model
        connection.executescript(SCHEMA)

    def under_way(self, names: set[str]) -> list[Batch]:
        """Return the batches without recorded results that contain any of these requests."""
        rows = self._connection.execute(
            "SELECT file, batch, requests, made FROM batches WHERE host = ? AND model = ? AND NOT done ORDER BY rowid",
            (self._host, self._model),
        ).fetchall()
        batches = (Batch(file, batch, _read(requests), made) for file, batch, requests, made in rows)
        return [batch for batch in batches if batch.requests.keys() & names]

    def uploaded(self, file: str, requests: list[Sent], made: int) -> None:
        """Record a file that is on the server."""
        row = (file, "", self._host, self._model, json.dumps([vars(sent) for sent in requests]), made, 0)
        insert(self._connection, "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", [row])

    def created(self, file: str, batch: str) -> None:
        """Record the batch that was created from a file."""
        insert(self._connection, "UPDATE batches SET batch = ? WHERE file = ?", [(batch, file)])

    def finish(self, file: str, entries: list[Entry]) -> bool:
        """Record the answers of a batch in one transaction; False if another process has already done so."""
        with transaction(self._connection) as connection:
            done = connection.execute("UPDATE batches SET done = 1 WHERE file = ? AND NOT done", (file,)).rowcount
            if done:
                connection.executemany(INSERT, [astuple(entry) for entry in entries])
        return bool(done)


def name_of(sent: Sent) -> str:
    """Return the `custom_id` of a request in a batch: its identity in the journal and the number of the attempt."""
    return f"{sent.request}-{sent.attempt}"


def _read(requests: str) -> dict[str, Sent]:
    return {name_of(sent): sent for sent in (Sent(**fields) for fields in json.loads(requests))}
