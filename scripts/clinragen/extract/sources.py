"""Raw MIMIC files as SQL relations: read in place, out of core, whatever their case or compression."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clinragen.kernel.errors import UserError

# MIMIC-IV calls its discharge notes differently; the rest of the stage uses one name.
SAME_TABLE = {"discharge": "noteevents"}


class RawTables:
    """Views `raw_<table>` over raw CSV files; every column is text, as it stands in the file."""

    def __init__(self, paths: Iterable[Path], memory_limit_mb: int, threads: int) -> None:
        self.paths = {_table_name(p): p for p in paths}
        self.connection = duckdb.connect()
        # What does not fit into memory is patient data: it must not spill into the checkout.
        self._spill = tempfile.TemporaryDirectory(prefix="clinragen-duckdb-")
        self.connection.execute(f"SET temp_directory = '{_quoted(Path(self._spill.name))}'")
        self.connection.execute(f"SET memory_limit = '{memory_limit_mb}MB'; SET threads = {threads}")
        self.connection.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        for table, path in self.paths.items():
            # The dialect is given: sniffing it fails on rows of the real files.
            self.run(
                f"""CREATE VIEW raw_{table} AS SELECT * FROM read_csv('{_quoted(path)}',
                    header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')"""
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

    def row(self, sql: str) -> tuple:
        """The single row of a query."""
        return self._try(lambda text: self.connection.sql(text).fetchall()[0], sql)

    def _try(self, call: Callable[[str], Any], sql: str) -> Any:
        # A query is lazy: `call` fetches its result too, for only then its errors come.
        try:
            return call(sql)
        except duckdb.OutOfMemoryException as error:
            raise UserError(f"DuckDB ran out of memory: raise extract.memory_limit_mb ({error})") from None
        except (duckdb.IOException, duckdb.InvalidInputException, duckdb.ConversionException) as error:
            files = ", ".join(str(p) for p in self.paths.values())
            raise UserError(f"a raw file can not be read (one of {files}): {error}") from None
        except duckdb.BinderException as error:
            files = ", ".join(str(p) for p in self.paths.values())
            raise UserError(f"a raw file lacks a column (one of {files}): {error}") from None


def _table_name(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz").removesuffix(".csv")
    return SAME_TABLE.get(name, name)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
