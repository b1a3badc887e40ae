"""Access to the table of events, too long for Python objects, in batches of arrays and small integers."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa


def codes_of(variables: pa.DictionaryArray, names: list[str]) -> np.ndarray:
    """Return the position of each value in `names`, -1 for others, as 8-bit integers."""
    positions = {name: position for position, name in enumerate(names)}
    lookup = np.array([positions.get(name, -1) for name in variables.dictionary.to_pylist()], dtype=np.int8)
    return lookup[variables.indices.to_numpy()]


def batches(events: pa.Table, names: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield stay, code of the variable and value of the events of these variables, at most a million rows at a time.

    Events whose value is not a number are left out: nothing was measured.
    """
    for batch in events.select(["stay_id", "variable", "value"]).to_batches(max_chunksize=1_000_000):
        codes, values = codes_of(batch["variable"], names), batch["value"].to_numpy()
        measured = (codes >= 0) & ~np.isnan(values)
        yield batch["stay_id"].to_numpy()[measured], codes[measured], values[measured]
