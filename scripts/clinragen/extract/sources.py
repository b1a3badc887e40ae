"""Raw MIMIC files as SQL relations: read in place, out of core, whatever their case or compression."""

import csv
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clinragen.kernel.errors import UserError
from clinragen.registry.raw import columns_of

# MIMIC-IV calls its discharge notes differently; the rest of the stage uses one name.
SAME_TABLE = {"discharge": "noteevents"}
# What Python and its libraries take of a step's memory; the rest is DuckDB's.
BESIDE_DUCKDB_MB = 250
ROWS_PER_BATCH = 100_000
# Columns that are numbers from the first look at a row on; the others are converted where they are used.
NUMBERS = {"itemid": "INTEGER"}
# What of DuckDB's words on a bad row may be told: they quote the row too, and that is patient data.
LINE = re.compile(r"CSV Error on Line: (\d+)")
REASONS = re.compile(
    r"^(?:Expected Number of Columns: \d+ Found: \d+|Value with unterminated quote found\.|"
    r"Maximum line size of \d+ bytes exceeded\.|Invalid unicode \(byte sequence mismatch\) detected\.)",
    re.MULTILINE,
)
CONVERTED = re.compile(r"^Column (\w+) is being converted as type", re.MULTILINE)


class RawTables:
    """Views `raw_<table>` over raw CSV files; columns are texts, as they stand in the file, but for NUMBERS."""

    def __init__(self, paths: Iterable[Path], memory_limit_mb: int, threads: int) -> None:
        self.paths = {_table_name(p): p for p in paths}
        self._columns: set[str] = set()
        self.connection = duckdb.connect()
        # What does not fit into memory is patient data: it must not spill into the checkout.
        self._spill = tempfile.TemporaryDirectory(prefix="clinragen-duckdb-")
        self.connection.execute(f"SET temp_directory = '{_quoted(self._spill.name)}'")
        self.connection.execute(f"SET memory_limit = '{memory_limit_mb - BESIDE_DUCKDB_MB}MB'; SET threads = {threads}")
        self.connection.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        for table, path in self.paths.items():
            # Dialect and columns are given: sniffing fails on rows of the real files, or skips ragged ones.
            header = _header(path)
            self._columns.update(header)
            columns = ", ".join(f"'{_quoted(name)}': '{NUMBERS.get(name, 'VARCHAR')}'" for name in header)
            self.run(
                f"""CREATE VIEW raw_{table} AS SELECT * FROM read_csv('{_quoted(path)}', auto_detect = false,
                    columns = {{{columns}}}, header = true, delim = ',', quote = '"', escape = '"')"""
            )

    def add(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table known to the queries."""
        self.connection.register(name, table)

    def run(self, sql: str) -> None:
        """Run a statement; UserError names the raw files where they are at fault."""
        self._try(self.connection.execute, sql)

    def query(self, sql: str) -> pa.Table:
        """Result of a query; UserError names the raw files where they are at fault."""
        return self._try(lambda text: self.connection.sql(text).to_arrow_table(), sql)

    def rows(self, sql: str) -> list[tuple]:
        """The rows of a query with few of them."""
        return self._try(lambda text: self.connection.sql(text).fetchall(), sql)

    def row(self, sql: str) -> tuple:
        """The single row of a query."""
        return self.rows(sql)[0]

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Result of a query, of which only a batch is in memory at a time."""
        reader = self._try(lambda text: self.connection.sql(text).to_arrow_reader(ROWS_PER_BATCH), sql)
        while (batch := self._try(lambda _: next(reader, None), sql)) is not None:
            yield batch

    def _try(self, call: Callable[[str], Any], sql: str) -> Any:
        # A query is lazy: `call` fetches its result too, for only then its errors come.
        try:
            return call(sql)
        except duckdb.OutOfMemoryException as error:
            reason = f"DuckDB ran out of memory: raise extract.memory_limit_mb ({_first_line(error)})"
        except duckdb.BinderException as error:
            reason = f"a raw file lacks a column (one of {self._files()}): {_first_line(error)}"
        except duckdb.IOException as error:
            reason = f"a raw file can not be read (one of {self._files()}): {_first_line(error)}"
        except (duckdb.InvalidInputException, duckdb.DataError) as error:
            named = [str(p) for p in self.paths.values() if f"file = {p}\n" in str(error)]
            place = named[0] if named else f"one of {self._files()}"
            reason = f"a raw file can not be read ({place}): {_told(error, self._columns)}"
        raise UserError(reason)

    def _files(self) -> str:
        return ", ".join(str(p) for p in self.paths.values())


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]


def _told(error: duckdb.Error, known: set[str]) -> str:
    """Kind of the error, line, reason and, where it is one of the known names, column: nothing that a row says."""
    text = str(error)
    kind, line = text.partition(":")[0], LINE.search(_first_line(error))
    if not line:
        return kind
    # A row over several lines may hold such sentences too: DuckDB's own follow it, so the last are meant.
    columns = [f"column {name}" for name in CONVERTED.findall(text) if name.lower() in known]
    return ", ".join([kind, f"line {line.group(1)}", *REASONS.findall(text)[-1:], *columns[-1:]])


def _header(path: Path) -> list[str]:
    """Column names of a raw file; UserError where there are none or one stands twice."""
    try:
        names = columns_of(path)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        # The bytes of a file that is no text must not be told either.
        reason = error if isinstance(error, OSError) else type(error).__name__
        raise UserError(f"{path} can not be read: {reason}") from None
    if not names or len(set(names)) < len(names):
        raise UserError(f"{path} can not be read: its header is empty or names a column twice")
    return names


def _table_name(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz").removesuffix(".csv")
    return SAME_TABLE.get(name, name)


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
