"""Regular series from irregular events: bins, gaps filled, scaled by the training part."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from clinragen.benchmark.measured import all_codes
from clinragen.config.benchmark import Series
from clinragen.kernel.progress import progress
from clinragen.registry.variables import Variable
from clinragen.tables.benchmark import SCALES, SERIES


def steps_of(los_hours: float, settings: Series) -> int:
    """Number of bins of a stay: a full last bin opens no further one (the benchmark's rule)."""
    return max(1, min(settings.max_steps, int(los_hours / settings.step_hours + 1 - 1e-6)))


def bin_events(
    hours: np.ndarray, channels: np.ndarray, values: np.ndarray, steps: int, width: float, n: int
) -> np.ndarray:
    """Array [steps, n] of the last value per bin and channel, NaN where there is none.

    `hours` must ascend. A value exactly on a border belongs to the earlier bin; one beyond the last
    bin is left out.
    """
    grid = np.full((steps, n), np.nan)
    bins = np.maximum((hours / width - 1e-6).astype(int), 0)
    inside = bins < steps
    # Later events overwrite earlier ones of the same bin.
    grid[bins[inside], channels[inside]] = values[inside]
    return grid


def fill(grid: np.ndarray, normal: np.ndarray, method: str) -> np.ndarray:
    """Array [steps, channels] without gaps.

    nearest: from the nearest measured bin, ties from the past. previous: from the last measured one,
    before the first the normal value. A channel that was never measured is normal throughout.
    """
    steps = len(grid)
    positions = np.arange(steps)
    filled = np.empty_like(grid)
    for channel in range(grid.shape[1]):
        known = np.flatnonzero(~np.isnan(grid[:, channel]))
        if known.size == 0:
            filled[:, channel] = normal[channel]
            continue
        after = np.searchsorted(known, positions)
        left = known[np.maximum(after - 1, 0)]
        right = known[np.minimum(after, known.size - 1)]
        if method == "previous":
            source = np.where(right == positions, positions, left)
            filled[:, channel] = np.where(positions < known[0], normal[channel], grid[source, channel])
        else:
            to_left = np.where(left <= positions, positions - left, steps)
            to_right = np.where(right >= positions, right - positions, steps)
            filled[:, channel] = grid[np.where(to_left <= to_right, left, right), channel]
    return filled


def make_series(
    samples: pa.Table, stays: pa.Table, events: pa.Table, variables: list[Variable], settings: Series
) -> tuple[pa.Table, pa.Table]:
    """Series of every sample (SERIES), scaled by mean and deviation of the training part (SCALES)."""
    names = [v.name for v in variables]
    normal = np.array([v.normal for v in variables])
    los = dict(zip(stays["stay_id"].to_pylist(), stays["los_hours"].to_pylist(), strict=True))
    grids = {
        stay: bin_events(*arrays, steps_of(los[stay], settings), settings.step_hours, len(names))
        for stay, arrays in progress(_per_stay(events, samples, names), "binned stays", samples.num_rows)
    }
    parts = zip(samples["stay_id"].to_pylist(), samples["part"].to_pylist(), strict=True)
    training = [grids[stay] for stay, part in parts if part == "train"]
    mean, deviation = _scales(training, normal)
    rows = []
    for stay in progress(samples["stay_id"].to_pylist(), "filled stays"):
        scaled = (fill(grids[stay], normal, settings.fill) - mean) / deviation
        rows.append(
            {
                "stay_id": stay,
                "steps": len(scaled),
                "values": scaled.astype(np.float32).ravel(),
                "measured": ~np.isnan(grids[stay]).ravel(),
            }
        )
    scales = {"variable": names, "mean": mean, "deviation": deviation, "normal": normal}
    return pa.Table.from_pylist(rows, schema=SERIES.schema), pa.table(scales, schema=SCALES.schema)


def _scales(grids: list[np.ndarray], normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the measured bins; the normal value and 1 where there are too few."""
    values = np.concatenate(grids) if grids else np.empty((0, len(normal)))
    counts = (~np.isnan(values)).sum(axis=0)
    mean, deviation = normal.astype(float).copy(), np.ones(len(normal))
    for channel in np.flatnonzero(counts > 1):
        mean[channel] = np.nanmean(values[:, channel])
        deviation[channel] = max(np.nanstd(values[:, channel], ddof=1), 1e-7)
    return mean, deviation


def _per_stay(
    events: pa.Table, samples: pa.Table, names: list[str]
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Each sample with its hours, channel numbers and values, ascending in time (the order of EVENTS)."""
    channels = all_codes(events["variable"], names)
    stay_ids, hours, values = (events[name].to_numpy() for name in ("stay_id", "hours", "value"))
    wanted = np.array(samples["stay_id"].to_pylist(), dtype=np.int64)
    starts = np.searchsorted(stay_ids, wanted, side="left")
    ends = np.searchsorted(stay_ids, wanted, side="right")
    for stay, a, b in zip(wanted.tolist(), starts, ends, strict=True):
        # Other variables are left out stay by stay: a second copy of all events is large.
        known = channels[a:b] >= 0
        yield stay, (hours[a:b][known], channels[a:b][known], values[a:b][known])
