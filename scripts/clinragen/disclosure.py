"""Suppression of small counts: aggregates over few patients can be re-identifying."""

from collections.abc import Hashable, Iterable, Sequence, Set

import numpy as np
import pyarrow as pa

SMALLEST_SHOWN = 11
# With fewer rows hidden, two averages over all rows would reveal the hidden ones.
FEWEST_HIDDEN = 3


def shown(count: int) -> int | None:
    """The count, or None where it is too small to be shown; zero points at nobody."""
    return count if count == 0 or count >= SMALLEST_SHOWN else None


def enough(patients: Iterable[Hashable]) -> bool:
    """Whether a number about these patients, each named any number of times, may be shown; about nobody it is none."""
    return len(set(patients)) >= SMALLEST_SHOWN


def all_shown(counts: Iterable[int]) -> bool:
    """Whether none of the counts of patients is too small: for numbers from which all of them follow."""
    return all(shown(count) is not None for count in counts)


def shown_parts(patients: Sequence[Set[int]]) -> list[bool]:
    """Which parts of a whole may be shown next to their sum, by the patients behind each part.

    A part of few patients is hidden, and the next larger ones with it until what is hidden, which the sum reveals,
    is more than one part and has enough patients.
    """
    hidden = {n for n, part in enumerate(patients) if shown(len(part)) is None}
    rest = sorted((n for n, part in enumerate(patients) if part and n not in hidden), key=lambda n: len(patients[n]))
    for n in rest if hidden else ():
        if len(hidden) > 1 and len(set().union(*(patients[h] for h in hidden))) >= SMALLEST_SHOWN:
            break
        hidden.add(n)
    return [n not in hidden for n in range(len(patients))]


def drawn_bins(counts: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """The counts of a histogram's bins, 0 for those that hold values of few patients; both arrays [bins]."""
    return np.where(patients >= SMALLEST_SHOWN, counts, 0)


def shown_quantile(values: np.ndarray, patients: np.ndarray, share: float) -> float | None:
    """The value below which a share of the values is; None unless enough patients are on both sides or share it.

    `values` and the patients they belong to are arrays [n].
    """
    if not len(values):
        return None
    found = float(np.quantile(values, share))
    below, equal, above = (np.unique(patients[s]).size for s in (values < found, values == found, values > found))
    return found if max(equal, min(below, above)) >= SMALLEST_SHOWN else None


def hide_small_counts(table: pa.Table, columns: tuple[str, ...], patients: str) -> pa.Table:
    """The table with the counts of these columns left empty in rows of few patients, and small ones everywhere."""
    few = [count is not None and shown(count) is None for count in table[patients].to_pylist()]
    for name in columns:
        counts = zip(table[name].to_pylist(), few, strict=True)
        kept = [None if count is None or hidden else shown(count) for count, hidden in counts]
        table = table.set_column(table.column_names.index(name), name, pa.array(kept, table.schema.field(name).type))
    return table
