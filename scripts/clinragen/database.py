"""SQLite files outside the results tree: what was paid for or fetched once, kept for every later run."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from clinragen.errors import UserError

BUSY_SECONDS = 120.0


@contextlib.contextmanager
def database(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """A connection to the file, which is made with the `schema` (`CREATE ... IF NOT EXISTS`) and readable by its owner.

    Any number of processes, on any number of machines, may have it open: SQLite locks the file for each transaction.
    Therefore no write-ahead log, whose readers and writers must share the memory of one machine.

    The connection may pass between threads, used by one at a time. UserError if the file is not usable.
    """
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(PermissionError):
            os.fchmod(file, 0o600)  # also a copy, which others may be able to read
        os.close(file)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.executescript(f"PRAGMA synchronous = FULL; {schema}")
        yield connection
    except sqlite3.OperationalError as error:
        raise UserError(f"{path}: {error}; free up space or make it accessible, and run again") from None
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path}: {error}; move it away, or restore it from a copy") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make it accessible, and run again") from None
    finally:
        if connection:
            connection.close()


def insert(connection: sqlite3.Connection, statement: str, rows: list[tuple]) -> None:
    """Insert rows in one transaction; on return they are on the disk."""
    # IMMEDIATE: a lock that is asked for later could be refused without any waiting.
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
