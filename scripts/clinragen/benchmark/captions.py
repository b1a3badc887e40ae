"""Anomalies of a series in words, for readers that take no numbers (the paper's Table 5)."""

import numpy as np
import pyarrow as pa

from clinragen.tables.benchmark import CAPTIONS, FENCES

NORMAL = "{} is normal all the time."
HIGH = "{} is higher than normal {} times."
LOW = "{} is lower than normal {} times."
BOTH = "{} is higher than normal {} times and lower than normal {} times."


def make_fences(events: pa.Table, training: set[int], variables: list[str], multiplier: float) -> pa.Table:
    """Interquartile fences of each variable over the raw values of the training part (FENCES).

    Q1 - m IQR and Q3 + m IQR (Vinutha et al., 2018); a variable without a value has infinite fences.
    """
    chosen = np.isin(events["stay_id"].to_numpy(), np.array(sorted(training), dtype=np.int64))
    names, values = np.array(events["variable"].to_pylist()), events["value"].to_numpy()
    rows = []
    for variable in variables:
        known = values[chosen & (names == variable)]
        low, high = -np.inf, np.inf
        if known.size:
            first, third = np.quantile(known, [0.25, 0.75])
            low, high = first - multiplier * (third - first), third + multiplier * (third - first)
        rows.append({"variable": variable, "low": low, "high": high})
    return pa.Table.from_pylist(rows, schema=FENCES.schema)


def caption(variable: str, high: int, low: int) -> str:
    """The sentence on one variable with its numbers of values above and below the fences."""
    if high and low:
        return BOTH.format(variable, high, low)
    if high:
        return HIGH.format(variable, high)
    return LOW.format(variable, low) if low else NORMAL.format(variable)


def make_captions(events: pa.Table, stays: list[int], fences: pa.Table) -> pa.Table:
    """A caption per stay: one sentence per variable, counted over raw values, before any filling."""
    limits = {row["variable"]: (row["low"], row["high"]) for row in fences.to_pylist()}
    counts = {stay: {variable: [0, 0] for variable in limits} for stay in stays}
    columns = (events[name].to_pylist() for name in ("stay_id", "variable", "value"))
    for stay, variable, value in zip(*columns, strict=True):
        if stay in counts and variable in limits:
            low, high = limits[variable]
            counts[stay][variable][0] += value > high
            counts[stay][variable][1] += value <= low
    texts = {
        stay: " ".join(caption(variable, int(high), int(low)) for variable, (high, low) in found.items())
        for stay, found in counts.items()
    }
    return pa.table({"stay_id": list(texts), "text": list(texts.values())}, schema=CAPTIONS.schema)
