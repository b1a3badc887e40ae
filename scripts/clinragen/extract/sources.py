"""Raw MIMIC files as SQL relations, read in place and out of core, whatever their case or compression."""

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from clinragen.errors import UserError
from clinragen.provenance.record import record_path
from clinragen.registry.raw import (
    ANY_RELEASE,
    columns_of,
    declaration,
    has_open_quote,
    is_gzip,
    problems_of_file,
    table_of,
    undeclared,
)
from clinragen.schemas.extract import RELEASE

log = logging.getLogger("sources")
# Memory of Python and its libraries in a step; the rest is for DuckDB.
OUTSIDE_DUCKDB_MB = 300
ROWS_PER_BATCH = 100_000
# A table with rows for a smaller share of the cohort's stays is truncated, or of other patients; few stays are not
# tested.
LEAST_COVERAGE = 0.5
ENOUGH_STAYS = 10
# A table that contains every row twice has fewer different rows; those of MIMIC have more than 0.9.
LEAST_DIFFERENT = 0.6
# Columns that are parsed as numbers; the others are converted where they are used.
NUMBERS = {"itemid": "INTEGER"}
# Tables with texts of many lines: DuckDB would start in the middle of a file, mistake a line of text for a row and
# refuse it.
# Other tables are read in one piece only after a row was refused.
MANY_LINES = ("noteevents",)
# Types to which the queries convert texts: used to find the line of one that is not a number or time.
CONVERSIONS = NUMBERS | {
    **dict.fromkeys(("subject_id", "hadm_id", "icustay_id", "stay_id", "row_id", "note_seq"), "BIGINT"),
    **dict.fromkeys(("intime", "outtime", "dob", "charttime", "chartdate"), "TIMESTAMP_S"),
    **dict.fromkeys(("seq_num", "anchor_year"), "INTEGER"),
    **dict.fromkeys(("los", "anchor_age"), "DOUBLE"),
    "icd_version": "TINYINT",
}
# Parts of DuckDB's error message that are safe to show: it also quotes the row, which is patient data.
LINE = re.compile(r"CSV Error on Line: (\d+)")
REASONS = re.compile(
    r"^(?:Expected Number of Columns: \d+ Found: \d+|Value with unterminated quote found\.|"
    r"Maximum line size of \d+ bytes exceeded\.|Invalid unicode \(byte sequence mismatch\) detected\.)",
    re.MULTILINE,
)


class RawTables:
    """Views `raw_<table>` over raw CSV files; columns are texts as in the file, except NUMBERS."""

    def __init__(self, paths: Iterable[Path], memory_limit_mb: int, threads: int) -> None:
        self.paths = {table_of(p): p for p in paths}
        self._columns = {table: _header(path) for table, path in self.paths.items()}
        self._published: Mapping[str, int] = {}
        self._dataset = self._release = ""
        self.connection = duckdb.connect()
        # Data that does not fit into memory is patient data: it must not spill into the checkout.
        self._spill = tempfile.TemporaryDirectory(prefix="clinragen-duckdb-")
        self.connection.execute(f"SET temp_directory = '{_quoted(self._spill.name)}'")
        memory = memory_limit_mb - OUTSIDE_DUCKDB_MB
        self.connection.execute(f"SET memory_limit = '{memory}MB'; SET threads = {threads}")
        self.connection.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        self._in_one_piece: set[str] = set()
        for table in self.paths:
            if table in MANY_LINES:
                self._read_in_one_piece(table)
            self.run(f"CREATE OR REPLACE VIEW raw_{table} AS SELECT * FROM {self._file(table, NUMBERS)}")

    @classmethod
    def of_release(
        cls, paths: Iterable[Path], dataset: str, declared: Path, release: Path, memory_limit_mb: int, threads: int
    ) -> Self:
        """Open checked raw tables, with the row counts of the release that `extract_stays` recognised.

        `declared` is resources/raw_tables.yaml, `release` a table RELEASE. UserError as in `checked`.
        """
        tables = cls(paths, memory_limit_mb, threads).checked(dataset, declared)
        tables.expect_release(dataset, RELEASE.read(release)["release"][0].as_py(), declared)
        return tables

    def _read_in_one_piece(self, table: str) -> None:
        self._in_one_piece.add(table)
        self._refuse_open_quote(table)

    def _refuse_open_quote(self, table: str) -> None:
        # Read in one piece, DuckDB silently drops everything after an unclosed quote.
        if not has_open_quote(self.paths[table]):
            return
        rows = self.row(f"SELECT count(*) FROM {self._file(table, {})}")[0]
        raise UserError(
            f"a raw file cannot be read ({self.paths[table]}): line {rows + 2}, Value with unterminated quote found."
        )

    def checked(self, dataset: str, declared: Path) -> Self:
        """Check header and first row of every file, log ignored columns, and return these tables.

        `declared` is resources/raw_tables.yaml. UserError lists files without a needed column or row.
        """
        lines = [
            line for table, path in self.paths.items() for line in problems_of_file(dataset, table, path, declared)
        ]
        if lines:
            raise UserError("; ".join(lines))
        for table, path in self.paths.items():
            if extra := undeclared(dataset, table, self._columns[table], declared):
                log.info("%s: ignoring columns not in any known release: %s", path, ", ".join(extra))
        return self

    def expect_release(self, dataset: str, release: str | None, declared: Path) -> None:
        """Load the row counts of a release for `check_rows`; None for an unknown one."""
        self._published = declaration(declared)[dataset]["releases"].get(release, {})
        self._dataset, self._release = dataset, f"release {release}"

    def check_rows(self, counts: Mapping[str, int]) -> None:
        """Raise UserError if a table does not have as many rows as in its release.

        Without effect where the release is unknown, and for files that the workflow made, such as synthetic notes.
        """
        for table, rows in counts.items():
            expected = self._published.get(table, rows)
            if rows != expected and not record_path(self.paths[table]).is_file():
                raise UserError(
                    f"{self.paths[table]} has {rows} rows, but {expected} in {self._release}: it is cut, doubled or of "
                    f"another release; download it again, or set datasets.{self._dataset}.release to {ANY_RELEASE} if "
                    "you changed it on purpose"
                )

    def check_coverage(self, table: str, covered: int, stays: int) -> None:
        """Raise UserError if a table has rows for too few stays of the cohort."""
        if stays >= ENOUGH_STAYS and covered < LEAST_COVERAGE * stays:
            raise UserError(
                f"{self.paths[table]} has rows for only {covered} of the {stays} stays of the cohort: it is cut, "
                "or of other patients or another release than ICUSTAYS; compare it with SHA256SUMS.txt of the release"
            )

    def _file(self, table: str, types: dict[str, str]) -> str:
        """Return a raw file as an SQL table; columns without a type are texts."""
        # Dialect and columns are given: sniffing fails on rows of the real files, or skips ragged ones.
        columns = ", ".join(f"'{_quoted(name)}': '{types.get(name, 'VARCHAR')}'" for name in self._columns[table])
        in_pieces = table not in self._in_one_piece
        compression = "gzip" if is_gzip(self.paths[table]) else "none"
        return f"""read_csv('{_quoted(self.paths[table])}', auto_detect = false, columns = {{{columns}}},
                   header = true, delim = ',', quote = '"', escape = '"', parallel = {in_pieces},
                   compression = '{compression}')"""

    def add(self, name: str, table: pa.Table) -> None:
        """Register an Arrow table for the queries."""
        self.connection.register(name, table)

    def run(self, sql: str) -> None:
        """Run a statement; UserError names the raw files where they are at fault."""
        self._try(self.connection.execute, sql)

    def run_and_count(self, sql: str) -> dict[str, int]:
        """Run a statement; return the rows that it read of each raw table, whatever it kept of them.

        The counts come from DuckDB's profile of the statement: another scan of CHARTEVENTS would take as long again.
        """
        self.connection.execute("SET enable_profiling = 'no_output'")
        self.run(sql)
        profile = json.loads(self.connection.get_profiling_information(format="json"))
        self.connection.execute("PRAGMA disable_profiling")
        scans = dict(_scans(profile))
        return {table: scans[str(path)] for table, path in self.paths.items() if str(path) in scans}

    def query(self, sql: str) -> pa.Table:
        """Return the result of a query; UserError names the raw files where they are at fault."""
        return self._try(lambda text: self.connection.sql(text).to_arrow_table(), sql)

    def rows(self, sql: str) -> list[tuple]:
        """Return all rows of a query with few rows."""
        return self._try(lambda text: self.connection.sql(text).fetchall(), sql)

    def row(self, sql: str) -> tuple:
        """Return the single row of a query."""
        return self.rows(sql)[0]

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the result of a query, one batch in memory at a time."""
        reader = self._try(lambda text: self.connection.sql(text).to_arrow_reader(ROWS_PER_BATCH), sql)
        while (batch := self._try(lambda _: next(reader, None), sql)) is not None:
            yield batch

    def _try(self, call: Callable[[str], Any], sql: str) -> Any:
        # A query is lazy: `call` also fetches its result, because errors occur only then.
        in_pieces = [table for table in self.paths if table not in self._in_one_piece]
        reason = None
        try:
            return call(sql)
        except duckdb.Error as error:
            refused = isinstance(error, (duckdb.InvalidInputException, duckdb.ConversionException))
            if not (refused and in_pieces):
                reason = self._reason(error)
                if reason is None:
                    raise
        if reason:
            raise UserError(reason)
        log.info("a row was refused: reading %s again, in one piece", ", ".join(str(self.paths[t]) for t in in_pieces))
        for table in in_pieces:
            self._read_in_one_piece(table)
            self.run(f"CREATE OR REPLACE VIEW raw_{table} AS SELECT * FROM {self._file(table, NUMBERS)}")
        return self._try(call, sql)

    def _reason(self, error: duckdb.Error) -> str | None:
        """Return the message for the user; None if neither files nor machine are at fault."""
        if self._spill.name in _first_line(error) or "max_temp_directory_size" in str(error):
            room = f"the disk of {Path(self._spill.name).parent} is full"
            return f"{room}: free up space, set TMPDIR to another directory, or raise extract.memory_limit_mb"
        if isinstance(error, duckdb.OutOfMemoryException):
            return f"DuckDB ran out of memory: raise extract.memory_limit_mb ({_first_line(error)})"
        if isinstance(error, duckdb.BinderException):
            return f"a raw file has no such column (one of {self._files()}): {_first_line(error)}"
        if isinstance(error, duckdb.IOException):
            named = [str(p) for p in self.paths.values() if str(p) in _first_line(error)]
            file = named[0] if named else f"one of {self._files()}"
            reason = _first_line(error).replace(f": {file}", "")
            if "GZIP" in reason:
                reason += "; it is cut, corrupted or has extra bytes after its end: download it again"
            return f"a raw file cannot be read ({file}): {reason}"
        if not isinstance(error, (duckdb.InvalidInputException, duckdb.DataError)):
            return None
        if isinstance(error, duckdb.ConversionException) and (message := self._find_text()):
            return message
        named = [str(p) for p in self.paths.values() if f"file = {p}\n" in str(error)]
        origin = named[0] if named else f"one of {self._files()}"
        return f"a raw file cannot be read ({origin}): {_safe_reason(error)}"

    def _find_text(self) -> str | None:
        """Return file, line and column of a text that is not a number or time; reads the files again.

        The error of a conversion after a filter has no position, others may name the wrong column.
        """
        try:
            for table, names in self._columns.items():
                columns = [name for name in names if name in CONVERSIONS]
                lost = ", ".join(f"count({c}) - count(TRY_CAST({c} AS {CONVERSIONS[c]}))" for c in columns)
                counts = self._rows_apart(f"SELECT {lost} FROM {self._file(table, {})}")[0] if columns else ()
                for column in (c for c, n in zip(columns, counts, strict=True) if n):
                    return (
                        f"{self.paths[table]}: line {self._line_of(table, column)}, column {column} "
                        f"cannot be read as {CONVERSIONS[column]}"
                    )
        except duckdb.Error:
            pass  # rows that cannot even be split into fields: the first error is reported
        return None

    def _line_of(self, table: str, column: str) -> str:
        try:
            self._rows_apart(f"SELECT count({column}) FROM {self._file(table, {column: CONVERSIONS[column]})}")
        except duckdb.ConversionException as error:
            if line := LINE.search(_first_line(error)):
                return line.group(1)
        return "unknown"

    def _rows_apart(self, sql: str) -> list[tuple]:
        # Not on the connection itself, whose last result may be half fetched.
        return self.connection.cursor().sql(sql).fetchall()

    def _files(self) -> str:
        return ", ".join(str(p) for p in self.paths.values())


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]


def _scans(profile: dict) -> Iterator[tuple[str, int]]:
    """Yield the raw files in a query profile of DuckDB, and the rows read of each."""
    for operator in profile.get("operator", profile.get("children", [])):
        if "rows_scanned" in operator and "Filename(s)" in operator["extra_info"]:
            yield operator["extra_info"]["Filename(s)"], operator["rows_scanned"]
        yield from _scans(operator)


def _safe_reason(error: duckdb.Error) -> str:
    """Return kind of the error, line and reason, without anything from the row."""
    kind, line = str(error).partition(":")[0], LINE.search(_first_line(error))
    if not line:
        return kind
    # A row over several lines may contain such sentences too: DuckDB's own follow it, so the last one counts.
    return ", ".join([kind, f"line {line.group(1)}", *REASONS.findall(str(error))[-1:]])


def _header(path: Path) -> list[str]:
    """Return the column names of a raw file, numbers for unnamed ones; UserError if all are unnamed or one repeats."""
    names = columns_of(path)
    named = [name for name in names if name]
    if not named or len(set(named)) < len(named):
        raise UserError(f"{path} cannot be read: its header is empty or names a column twice")
    return [name or f"unnamed_{number}" for number, name in enumerate(names, 1)]


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
