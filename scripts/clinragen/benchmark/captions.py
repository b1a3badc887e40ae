"""Anomalies of a series in words, for readers that take no numbers (the paper's Table 5)."""

import csv
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa

from clinragen.benchmark.measured import batches
from clinragen.schemas.benchmark import CAPTIONS, FENCES

log = logging.getLogger("captions")
NORMAL = "{} is normal all the time."
HIGH = "{} is higher than normal {} times."
LOW = "{} is lower than normal {} times."
BOTH = "{} is higher than normal {} times and lower than normal {} times."


def make_fences(events: pa.Table, training: set[int], variables: list[str], multiplier: float) -> pa.Table:
    """Return interquartile fences of each variable over the raw values of the training split (FENCES).

    Q1 - m IQR and Q3 + m IQR (Vinutha et al., 2018) with m = `multiplier`, in the unit of the variable. Fences are
    infinite for a variable without values, and if the quartiles agree, because the usual value would be abnormal.
    """
    training_stays = np.array(sorted(training), dtype=np.int64)
    parts: list[list[np.ndarray]] = [[] for _ in variables]
    for stay_ids, codes, values in batches(events, variables):
        trained = np.isin(stay_ids, training_stays)
        for code, part in enumerate(parts):
            part.append(values[trained & (codes == code)])
    rows = []
    for variable, part in zip(variables, parts, strict=True):
        measured = np.concatenate(part) if part else np.empty(0)
        low, high = -np.inf, np.inf
        if measured.size:
            first, third = np.quantile(measured, [0.25, 0.75])
            if first < third:
                low, high = first - multiplier * (third - first), third + multiplier * (third - first)
            else:
                log.warning("%s: half of the values or more are %g, so none counts as abnormal", variable, first)
        rows.append({"variable": variable, "low": low, "high": high})
    return pa.Table.from_pylist(rows, schema=FENCES.schema)


def read_fences(path: Path, variables: list[str]) -> pa.Table:
    """Return fixed fences of each variable (FENCES); infinite ones where the file has none, as for height."""
    with path.open(encoding="utf-8", newline="") as file:
        fixed = {row["variable"]: (float(row["low"]), float(row["high"])) for row in csv.DictReader(file)}
    pairs = [(variable, *fixed.get(variable, (-np.inf, np.inf))) for variable in variables]
    return pa.Table.from_pylist([dict(zip(FENCES.schema.names, p, strict=True)) for p in pairs], schema=FENCES.schema)


def caption(variable: str, high: int, low: int) -> str:
    """Return the sentence on one variable with `high` values above and `low` values below its fences."""
    if high and low:
        return BOTH.format(variable, high, low)
    if high:
        return HIGH.format(variable, high)
    return LOW.format(variable, low) if low else NORMAL.format(variable)


def make_captions(events: pa.Table, stays: list[int], fences: pa.Table) -> pa.Table:
    """Return a caption per stay (CAPTIONS): one sentence per variable, counted over raw values, before any filling."""
    names, low, high = (fences[name].to_pylist() for name in ("variable", "low", "high"))
    ordered, size = np.array(sorted(stays), dtype=np.int64), len(stays) * len(names)
    counts = np.zeros((2, size), dtype=np.int64)
    for stay_ids, codes, values in batches(events, names):
        rows = np.searchsorted(ordered, stay_ids)
        rows[rows == len(ordered)] = 0
        is_sample = ordered[rows] == stay_ids if len(ordered) else np.zeros(len(rows), dtype=bool)
        cells = rows * len(names) + codes
        for count, beyond in zip(counts, (values > np.array(high)[codes], values <= np.array(low)[codes]), strict=True):
            count += np.bincount(cells[is_sample & beyond], minlength=size)
    counts_of = dict(zip(ordered.tolist(), counts.reshape(2, len(ordered), len(names)).transpose(1, 2, 0), strict=True))
    texts = {
        stay: " ".join(caption(name, *counted) for name, counted in zip(names, counts_of[stay].tolist(), strict=True))
        for stay in stays
    }
    return pa.table({"stay_id": list(texts), "text": list(texts.values())}, schema=CAPTIONS.schema)
