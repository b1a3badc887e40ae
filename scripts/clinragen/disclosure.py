"""Suppression of small counts: aggregates over few patients can be re-identifying."""

from collections.abc import Hashable, Iterable, Sequence, Set

import numpy as np
import pyarrow as pa

SMALLEST_SHOWN = 11
# With fewer rows hidden, two averages over all rows would reveal the hidden ones.
FEWEST_HIDDEN = 3


def shown(count: int) -> int | None:
    """Return the count, or None if it is too small to be shown; zero identifies nobody."""
    return count if count == 0 or count >= SMALLEST_SHOWN else None


def enough(patients: Iterable[Hashable]) -> bool:
    """Return whether a number about these patients may be shown; each may be listed several times."""
    return len(set(patients)) >= SMALLEST_SHOWN


def all_shown(counts: Iterable[int]) -> bool:
    """Return whether every count of patients may be shown: for numbers from which all of them can be derived."""
    return all(shown(count) is not None for count in counts)


def shown_parts(patients: Sequence[Set[int]]) -> list[bool]:
    """Return, for each part of a whole, whether it may be shown next to the sum; `patients` are those behind each part.

    A part with few patients is hidden. Because the sum reveals the total of the hidden parts, the next larger ones are
    hidden as well until they are at least two parts with enough patients together.
    """
    hidden = {n for n, part in enumerate(patients) if shown(len(part)) is None}
    rest = sorted((n for n, part in enumerate(patients) if part and n not in hidden), key=lambda n: len(patients[n]))
    for n in rest if hidden else ():
        if len(hidden) > 1 and len(set().union(*(patients[h] for h in hidden))) >= SMALLEST_SHOWN:
            break
        hidden.add(n)
    return [n not in hidden for n in range(len(patients))]


def drawn_bins(counts: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Return the counts of a histogram's bins, 0 where a bin holds values of few patients; both arrays [bins]."""
    return np.where(patients >= SMALLEST_SHOWN, counts, 0)


def shown_quantile(values: np.ndarray, patients: np.ndarray, share: float) -> float | None:
    """Return the quantile at `share`; None unless enough patients are on both sides of it, or have exactly this value.

    `values` and the patients they belong to are arrays [n].
    """
    if not len(values):
        return None
    cut = float(np.quantile(values, share))
    below, equal, above = (np.unique(patients[s]).size for s in (values < cut, values == cut, values > cut))
    return cut if max(equal, min(below, above)) >= SMALLEST_SHOWN else None


def hide_small_counts(table: pa.Table, columns: tuple[str, ...], patients: str) -> pa.Table:
    """Return the table with small counts in these columns emptied, and all of them in rows with few `patients`."""
    few = [count is not None and shown(count) is None for count in table[patients].to_pylist()]
    for name in columns:
        counts = zip(table[name].to_pylist(), few, strict=True)
        kept = [None if count is None or hidden else shown(count) for count, hidden in counts]
        table = table.set_column(table.column_names.index(name), name, pa.array(kept, table.schema.field(name).type))
    return table
