"""A table's schema, checked when it is written and when it is read.

The suffix of a file decides its format: .parquet (compressed), .csv (for people) or .arrow (an uncompressed Arrow IPC
file, whose columns are views into the mapped file).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from clinragen.errors import UserError
from clinragen.runtime.outputs import Out, SharedOut


@dataclass(frozen=True)
class Column:
    """Name, Arrow type, meaning (with its unit), whether it may be null and whether it identifies single patients."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    identifies: bool = False


@dataclass(frozen=True)
class Table:
    """A named list of columns, with the columns that identify a row."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema; the file contains the meaning of each column."""
        fields = [pa.field(c.name, c.type, c.nullable, {"meaning": c.meaning}) for c in self.columns]
        return pa.schema(fields, {"table": self.name})

    def only(self, names: Sequence[str]) -> "Table":
        """Return the table with a subset of its columns; it has no key if a column of the key is missing."""
        columns = tuple(c for c in self.columns if c.name in names)
        return Table(self.name, columns, self.key if set(self.key) <= set(names) else ())

    def check(self, table: pa.Table, place: str) -> pa.Table:
        """Return the table cast to this schema; UserError for wrong columns or types, nulls or repeated keys.

        `place` is the file, or "writing", in the message.
        """
        table = self._check_columns(table, place)
        self._check_key(table, place)
        return table

    def _check_columns(self, table: pa.Table, place: str) -> pa.Table:
        names = [c.name for c in self.columns]
        missing, extra = sorted(set(names) - set(table.column_names)), sorted(set(table.column_names) - set(names))
        if missing or extra:
            raise UserError(
                f"{place}: table {self.name} lacks columns {missing} and has unknown columns {extra}; "
                "regenerate the file with the rule that writes it"
            )
        try:
            table = table.select(names).cast(self.schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, KeyError) as error:
            raise UserError(f"{place}: table {self.name}: {error}") from None
        for column in self.columns:
            nulls = table[column.name].null_count
            if nulls and not column.nullable:
                raise UserError(f"{place}: table {self.name}: column {column.name} has {nulls} empty values")
        return table

    def _check_key(self, table: pa.Table, place: str) -> None:
        if self.key and table.num_rows:
            groups = table.select(self.key).group_by(list(self.key)).aggregate([([], "count_all")])
            if groups.num_rows < table.num_rows:
                repeated = groups.filter(pc.greater(groups["count_all"], 1)).num_rows
                raise UserError(f"{place}: table {self.name}: {repeated} values of {'+'.join(self.key)} occur twice")

    @property
    def identifying(self) -> list[str]:
        """Columns that identify a patient, admission, stay or note."""
        return [c.name for c in self.columns if c.identifies]

    def write(self, table: pa.Table, target: Path | Out) -> None:
        """Check and write a table. ValueError for an identifying column in a shareable output."""
        path = self._place(target)
        table = self.check(table, "writing")
        if path.suffix == ".csv":
            pa.csv.write_csv(table, path, pa.csv.WriteOptions(quoting_style="needed"))
        else:
            with self._sink(path) as sink:
                sink.write_table(table)

    def writer(self, target: Path | Out) -> "Writer":
        """Return a context manager that writes a table in pieces, to .parquet or .arrow."""
        return Writer(self, self._place(target))

    def _place(self, target: Path | Out) -> Path:
        if isinstance(target, SharedOut) and self.identifying:
            names = ", ".join(self.identifying)
            raise ValueError(
                f"{target.final} is shareable, but columns of table {self.name} identify patients: {names}"
            )
        return target.path if isinstance(target, Out) else target

    def _sink(self, path: Path) -> pq.ParquetWriter | pa.ipc.RecordBatchFileWriter:
        if path.suffix == ".arrow":
            return pa.ipc.new_file(str(path), self.schema)
        return pq.ParquetWriter(path, self.schema, compression="zstd")

    def read(self, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
        """Read and check a table, or only some columns of it to save memory.

        The columns of an .arrow file are views into the mapped file: they are read when accessed.
        """
        try:
            if path.suffix == ".csv":
                types = {c.name: c.type for c in self.columns}
                options = pa.csv.ConvertOptions(
                    column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
                )
                parsing = pa.csv.ParseOptions(newlines_in_values=True)
                table = pa.csv.read_csv(path, parse_options=parsing, convert_options=options)
            elif path.suffix == ".arrow":
                table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
                table.validate()
            else:
                present = None if columns is None else [n for n in pq.read_schema(path).names if n in columns]
                table = pq.read_table(path, columns=present)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise self._unreadable(path, error) from None
        if columns is None:
            return self.check(table, str(path))
        return self.only(columns).check(table.select([n for n in table.column_names if n in columns]), str(path))

    def read_batches(self, path: Path, columns: Sequence[str], rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Yield columns of a .parquet file in batches of at most `rows`; each is checked, except for repeated keys."""
        table = self.only(columns)
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                present = [n for n in file.schema_arrow.names if n in columns]
                for batch in file.iter_batches(rows, columns=present):
                    yield from table._check_columns(pa.Table.from_batches([batch]), str(path)).to_batches()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise self._unreadable(path, error) from None

    def _unreadable(self, path: Path, error: Exception) -> UserError:
        return UserError(f"{path}: not a readable {self.name} table: {error}; regenerate the file")


class Writer:
    """Writes a table piece by piece, with only one piece in memory; see `Table.writer`.

    Columns, types and nulls are checked before a piece is written; keys are kept in memory and checked at the end. A
    piece becomes at least one row group (.parquet) or record batch (.arrow), so tiny pieces make slow files.
    """

    def __init__(self, table: Table, path: Path) -> None:
        self._table, self._sink = table, table._sink(path)
        self._keys: list[pa.Table] = []

    def write(self, piece: pa.Table | pa.RecordBatch) -> None:
        """Check and append some rows."""
        rows = pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece
        rows = self._table._check_columns(rows, "writing")
        if self._table.key:
            # A copy, because a column from DuckDB keeps all columns of its batch alive.
            self._keys.append(rows.select(self._table.key).take(pa.array(range(rows.num_rows), pa.int64())))
        self._sink.write_table(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._sink.close()
        if error is None and self._keys:
            self._table._check_key(pa.concat_tables(self._keys), "writing")
