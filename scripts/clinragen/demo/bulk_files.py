"""Raw tables of many rows, written batch by batch: gzipped CSV, byte-identical for equal rows."""

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

Batch = dict[str, pa.Array]
"""Columns of equal length by name, in lower case."""

# The fastest: the files are read a few times and deleted.
LEVEL = 1


def write_batches(path: Path, columns: Sequence[str], batches: Iterable[Batch], upper_case: bool) -> None:
    """Write a table; columns that a batch lacks are empty, those that the release lacks are left out."""
    names = [name.upper() if upper_case else name for name in columns]
    # No name and no time of writing in the header of the gzip file.
    with path.open("wb") as file, gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
        packed.write((",".join(f'"{n}"' if upper_case else n for n in names) + "\n").encode())
        for batch in batches:
            number = len(next(iter(batch.values())))
            arrays = [batch.get(name, pa.nulls(number, pa.string())) for name in columns]
            table = pa.Table.from_arrays(arrays, names=names)
            csv.write_csv(table, packed, csv.WriteOptions(include_header=False, batch_size=1 << 16))


def times(seconds: np.ndarray) -> pa.Array:
    """Return seconds since 1970 as timestamps; NaN is empty."""
    missing = np.isnan(seconds)
    whole = np.where(missing, 0, seconds).astype("int64")
    return pa.array(whole, mask=missing).cast(pa.timestamp("s"))


def dates(seconds: np.ndarray) -> pa.Array:
    """Return the days of seconds since 1970; NaN is empty."""
    return times(seconds).cast(pa.timestamp("s")).cast(pa.date32(), safe=False)


def taken(values: Sequence[str | None], indices: np.ndarray) -> pa.Array:
    """Return the strings with these indices."""
    return pa.array(values, pa.string()).take(pa.array(indices))


def spread(weights: np.ndarray, rows: int) -> np.ndarray:
    """Return the number of rows of each owner, proportional to its weight; they add up to `rows`."""
    bounds = np.round(np.cumsum(weights) / weights.sum() * rows).astype("int64")
    return np.diff(bounds, prepend=0)


def chunks(counts: np.ndarray, rows: int) -> Iterable[slice]:
    """Yield slices of the owners with about this many rows together, at least one owner each."""
    start, total = 0, 0
    for end, count in enumerate(counts.tolist(), 1):
        total += count
        if total >= rows or end == len(counts):
            yield slice(start, end)
            start, total = end, 0
