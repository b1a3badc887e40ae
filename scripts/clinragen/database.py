"""SQLite files outside the results tree: paid or fetched responses, kept for every later run."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinragen.errors import UserError

BUSY_SECONDS = 120.0


@contextlib.contextmanager
def database(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Open the file, creating it with `schema` (`CREATE ... IF NOT EXISTS`), accessible to its owner only.

    Any number of processes on any number of machines may have it open: SQLite locks the file for each transaction.
    There is no write-ahead log, because its readers and writers must share the memory of one machine.

    The connection may pass between threads if only one uses it at a time. UserError if the file is not usable.
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
        raise UserError(f"{path}: {error}; free up space or fix its permissions, then run again") from None
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path}: {error}; move it away, or restore it from a backup") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; fix its permissions, then run again") from None
    finally:
        if connection:
            connection.close()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run statements in one transaction: all of them are on disk afterwards, or none if an exception is raised."""
    # IMMEDIATE: a lock requested later could be refused without waiting.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def insert(connection: sqlite3.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows in one transaction; on return they are on disk."""
    with transaction(connection):
        connection.executemany(statement, rows)
