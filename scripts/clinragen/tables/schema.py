"""A table's schema, checked when it is written and when it is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from clinragen.kernel.errors import UserError


@dataclass(frozen=True)
class Column:
    """Name, Arrow type, meaning (with its unit) and whether it may be null."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A named list of columns, with the columns that identify a row."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema; the meaning of each column travels in the file."""
        fields = [pa.field(c.name, c.type, c.nullable, {"meaning": c.meaning}) for c in self.columns]
        return pa.schema(fields, {"table": self.name})

    def only(self, names: Sequence[str]) -> "Table":
        """The table with these of its columns; without one of the key's, rows have no key."""
        columns = tuple(c for c in self.columns if c.name in names)
        return Table(self.name, columns, self.key if set(self.key) <= set(names) else ())

    def check(self, table: pa.Table, place: str) -> pa.Table:
        """The table with exactly these columns and types; UserError names what does not fit."""
        names = [c.name for c in self.columns]
        missing, extra = sorted(set(names) - set(table.column_names)), sorted(set(table.column_names) - set(names))
        if missing or extra:
            raise UserError(
                f"{place}: table {self.name} lacks columns {missing} and has unknown columns {extra}; "
                "make the file anew with the rule that writes it"
            )
        try:
            table = table.select(names).cast(self.schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, KeyError) as error:
            raise UserError(f"{place}: table {self.name}: {error}") from None
        for column in self.columns:
            nulls = table[column.name].null_count
            if nulls and not column.nullable:
                raise UserError(f"{place}: table {self.name}: column {column.name} has {nulls} empty values")
        if self.key and table.num_rows:
            groups = table.group_by(list(self.key)).aggregate([([], "count_all")])
            if groups.num_rows < table.num_rows:
                twice = groups.filter(pc.greater(groups["count_all"], 1)).num_rows
                raise UserError(f"{place}: table {self.name}: {twice} values of {'+'.join(self.key)} occur twice")
        return table

    def write(self, table: pa.Table, path: Path) -> None:
        """Check and write; the suffix tells the format, .parquet or .csv."""
        table = self.check(table, "writing")
        if path.suffix == ".csv":
            pa.csv.write_csv(table, path, pa.csv.WriteOptions(quoting_style="needed"))
        else:
            pq.write_table(table, path, compression="zstd")

    def read(self, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
        """Read and check; with `columns` only these, which spares the memory of the others."""
        try:
            if path.suffix == ".csv":
                types = {c.name: c.type for c in self.columns}
                options = pa.csv.ConvertOptions(
                    column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
                )
                parsing = pa.csv.ParseOptions(newlines_in_values=True)
                table = pa.csv.read_csv(path, parse_options=parsing, convert_options=options)
            else:
                present = None if columns is None else [n for n in pq.read_schema(path).names if n in columns]
                table = pq.read_table(path, columns=present)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise UserError(f"{path}: not a readable {self.name} table: {error}") from None
        if columns is None:
            return self.check(table, str(path))
        return self.only(columns).check(table.select([n for n in table.column_names if n in columns]), str(path))
