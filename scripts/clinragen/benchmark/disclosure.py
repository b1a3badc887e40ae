"""Small counts stay hidden: an aggregate of few patients can point at one of them."""

import pyarrow as pa

SMALLEST_SHOWN = 11


def shown(count: int) -> int | None:
    """The count, or None where it is too small to be shown; zero points at nobody."""
    return count if count == 0 or count >= SMALLEST_SHOWN else None


def hide_small_counts(table: pa.Table, columns: tuple[str, ...]) -> pa.Table:
    """The table with the small counts of these columns left empty."""
    for name in columns:
        kept = [None if count is None else shown(count) for count in table[name].to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(kept, table.schema.field(name).type))
    return table
