"""Access to the table of events, which is too long for Python objects: batches of arrays and small numbers."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa


def codes_of(variables: pa.DictionaryArray, names: list[str]) -> np.ndarray:
    """Position of each value in `names`, -1 for others, as 8-bit integers."""
    places = {name: place for place, name in enumerate(names)}
    lookup = np.array([places.get(name, -1) for name in variables.dictionary.to_pylist()], dtype=np.int8)
    return lookup[variables.indices.to_numpy()]


def batches(events: pa.Table, names: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Stay, code of the variable and value of the events of these variables, a million rows or fewer at a time.

    Events whose value is not a number are left out: nothing was measured.
    """
    for batch in events.select(["stay_id", "variable", "value"]).to_batches(max_chunksize=1_000_000):
        codes, values = codes_of(batch["variable"], names), batch["value"].to_numpy()
        known = (codes >= 0) & ~np.isnan(values)
        yield batch["stay_id"].to_numpy()[known], codes[known], values[known]
