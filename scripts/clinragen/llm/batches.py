"""Batches that a server works on, kept beside the answers so that a killed job finds its batches again."""

import json
import sqlite3
from dataclasses import astuple, dataclass

from clinragen.database import insert
from clinragen.llm.journal import INSERT, Asked, Entry

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
    requests: dict[str, Asked]
    """Its requests, as they were sent, by their names in the batch (`name_of`)."""
    made: int
    """When the file was uploaded, by the server's clock, in seconds since 1970."""


class Batches:
    """The batches of one model on one server, in the database of the journal."""

    def __init__(self, connection: sqlite3.Connection, host: str, model: str) -> None:
        self._connection, self._host, self._model = connection, host, model
        connection.executescript(SCHEMA)

    def under_way(self, wanted: set[str]) -> list[Batch]:
        """Batches whose results were not taken yet and that hold some of these requests."""
        rows = self._connection.execute(
            "SELECT file, batch, requests, made FROM batches WHERE host = ? AND model = ? AND NOT done ORDER BY rowid",
            (self._host, self._model),
        ).fetchall()
        found = (Batch(file, batch, _read(requests), made) for file, batch, requests, made in rows)
        return [batch for batch in found if batch.requests.keys() & wanted]

    def uploaded(self, file: str, requests: list[Asked], made: int) -> None:
        """Note a file that is on the server."""
        row = (file, "", self._host, self._model, json.dumps([vars(asked) for asked in requests]), made, 0)
        insert(self._connection, "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", [row])

    def created(self, file: str, batch: str) -> None:
        """Note the batch that was created from a file."""
        insert(self._connection, "UPDATE batches SET batch = ? WHERE file = ?", [(batch, file)])

    def finish(self, file: str, entries: list[Entry]) -> bool:
        """Write down the answers of a batch in one transaction; False if another process has done so before."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = connection.execute("UPDATE batches SET done = 1 WHERE file = ? AND NOT done", (file,)).rowcount
            if done:
                connection.executemany(INSERT, [astuple(entry) for entry in entries])
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return bool(done)


def name_of(asked: Asked) -> str:
    """The `custom_id` of a request in a batch: its identity in the journal and the number of the attempt."""
    return f"{asked.request}-{asked.attempt}"


def _read(requests: str) -> dict[str, Asked]:
    found = (Asked(**fields) for fields in json.loads(requests))
    return {name_of(asked): asked for asked in found}
