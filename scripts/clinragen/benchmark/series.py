"""Regular series from irregular events: binned, gaps filled, scaled by the training split.

Stays are processed in blocks, all bins of a block at once: only a few numbers per stay are kept in memory, and no
result depends on where the blocks end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from clinragen.benchmark.measured import codes_of
from clinragen.config.benchmark import Series
from clinragen.errors import UserError
from clinragen.registry.variables import Variable
from clinragen.runtime.progress import Progress
from clinragen.schemas.benchmark import SCALES, SERIES
from clinragen.schemas.extract import EVENTS

# Bins of a block: enough to work on many stays at once, few enough for the processor's cache.
BINS = 50_000
# Stays, hours, channels and values of some events, in the order of EVENTS.
Events = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Block:
    """Stays, ascending, whose bins are concatenated, with their numbers of bins and splits; arrays [stays]."""

    stays: np.ndarray
    steps: np.ndarray
    splits: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """First bin of each stay."""
        return np.cumsum(self.steps) - self.steps

    def only(self, split: str) -> "Block":
        """Return the stays of a split, possibly none."""
        of_split = self.splits == split
        return Block(self.stays[of_split], self.steps[of_split], self.splits[of_split])


def steps_of(los_hours: float, settings: Series) -> int:
    """Return the number of bins of a stay: a full last bin opens no further one (the benchmark's rule)."""
    return max(1, min(settings.max_steps, int(los_hours / settings.step_hours + 1 - 1e-6)))


def cut(split: pa.Table, stays: pa.Table, settings: Series, bins: int = BINS) -> list[Block]:
    """Return the stays of known length in blocks of about `bins` bins, at least one stay each."""
    los = dict(zip(stays["stay_id"].to_pylist(), stays["los_hours"].to_pylist(), strict=True))
    splits = dict(zip(split["stay_id"].to_pylist(), split["split"].to_pylist(), strict=True))
    ids = [stay for stay in sorted(splits) if los[stay] is not None]
    steps = [steps_of(los[stay], settings) for stay in ids]
    columns = (np.array(ids, np.int64), np.array(steps, np.int64), np.array([splits[stay] for stay in ids]))
    borders = np.flatnonzero(np.diff((np.cumsum(columns[1]) - 1) // bins)) + 1
    return [Block(*pieces) for pieces in zip(*(np.split(c, borders) for c in columns), strict=True) if len(pieces[0])]


def bin_events(grid: np.ndarray, block: Block, events: Events, width: float) -> None:
    """Write into `grid` [bins of the block, channels] the last value per bin and channel.

    A value exactly on a border belongs to the earlier bin. Values beyond the last bin, of other stays or
    of other variables (channel -1), and NaN are left out.
    """
    stay_ids, hours, channels, values = events
    rows = np.minimum(np.searchsorted(block.stays, stay_ids), len(block.stays) - 1)
    bins = np.maximum((hours / width - 1e-6).astype(np.int64), 0)
    inside = (block.stays[rows] == stay_ids) & (bins < block.steps[rows]) & (channels >= 0) & ~np.isnan(values)
    # Later events overwrite earlier ones of the same bin.
    grid[(block.starts[rows] + bins)[inside], channels[inside]] = values[inside]


def fill(grid: np.ndarray, block: Block, normal: np.ndarray, method: str) -> np.ndarray:
    """Return `grid` [bins of the block, channels] without gaps.

    `method` nearest takes the value of the nearest measured bin of the stay, ties from the past; previous that of the
    last measured one, and before the first the normal value. A channel never measured in a stay is normal throughout.
    """
    measured, bins = ~np.isnan(grid), len(grid)
    current = np.arange(bins, dtype=np.int32)[:, None]
    start = np.repeat(block.starts, block.steps)[:, None]
    # The last measured bin up to each bin; one of an earlier stay does not count.
    previous = np.maximum.accumulate(np.where(measured, current, -1), axis=0)
    source, filled = previous, previous >= start
    if method == "nearest":
        end = np.repeat(block.starts + block.steps, block.steps)[:, None]
        following = np.minimum.accumulate(np.where(measured, current, bins)[::-1], axis=0)[::-1]
        follows = following < end
        source = np.where(follows & (~filled | (following - current < current - previous)), following, previous)
        filled = filled | follows
    return np.where(filled, np.take_along_axis(grid, source, axis=0), normal)


def find_scales(events: Path, blocks: list[Block], variables: list[Variable], settings: Series) -> pa.Table:
    """Return mean and standard deviation over the measured bins of the training split (SCALES).

    A variable with fewer than two of them has its normal value and 1. The bins of a stay are summed first, then those
    of all stays (Chan et al., 1979): accurate, and independent of where the blocks end.
    """
    names, normal = [v.name for v in variables], np.array([v.normal for v in variables])
    nothing = np.zeros((0, len(names)))
    counts, means, squares = [nothing], [nothing], [nothing]
    training = [block for block in (b.only("train") for b in blocks) if len(block.stays)]
    for block, grid in _grids(events, training, names, settings, "training stays"):
        measured = ~np.isnan(grid)
        counts.append(_sums(measured.astype(float), block))
        means.append(_sums(np.where(measured, grid, 0), block) / np.maximum(counts[-1], 1))
        squares.append(_sums(np.where(measured, grid - np.repeat(means[-1], block.steps, axis=0), 0) ** 2, block))
    count, mean_of_stay = np.concatenate(counts), np.concatenate(means)
    total = count.sum(axis=0)
    enough = total > 1
    mean = np.where(enough, (count * mean_of_stay).sum(axis=0) / np.maximum(total, 1), normal)
    square = np.concatenate(squares).sum(axis=0) + (count * (mean_of_stay - mean) ** 2).sum(axis=0)
    std = np.where(enough, np.maximum(np.sqrt(square / np.maximum(total - 1, 1)), 1e-7), 1.0)
    return pa.table({"variable": names, "mean": mean, "std": std, "normal": normal}, schema=SCALES.schema)


def make_series(
    events: Path, blocks: list[Block], scales: pa.Table, settings: Series
) -> Iterator[tuple[str, pa.Table]]:
    """Yield a split and some of its rows (SERIES), stays ascending; values are scaled if the settings say so."""
    mean, std, normal = (scales[name].to_numpy() for name in ("mean", "std", "normal"))
    for block, grid in _grids(events, blocks, scales["variable"].to_pylist(), settings, "stays"):
        values = fill(grid, block, normal, settings.fill)
        values = ((values - mean) / std if settings.scaled else values).astype(np.float32)
        for split in np.unique(block.splits):
            of_split = block.splits == split
            rows, steps = np.repeat(of_split, block.steps), block.steps[of_split]
            offsets = np.append(0, np.cumsum(steps)) * grid.shape[1]
            flat = {"values": values[rows].ravel(), "measured": ~np.isnan(grid[rows]).ravel()}
            lists = {k: pa.ListArray.from_arrays(offsets.astype(np.int32), v) for k, v in flat.items()}
            yield split, pa.table({"stay_id": block.stays[of_split], "steps": steps} | lists).cast(SERIES.schema)


def _sums(bins: np.ndarray, block: Block) -> np.ndarray:
    return np.add.reduceat(bins, block.starts, axis=0)


def _grids(
    events: Path, blocks: list[Block], names: list[str], settings: Series, what: str
) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield each block with its values [bins, channels], NaN where nothing was measured; reads the events once."""
    source = _read(events, names)
    piece = next(source, None)
    with Progress(f"blocks of {what}", len(blocks)) as bar:
        for block in blocks:
            grid = np.full((block.steps.sum(), len(names)), np.nan)
            while piece is not None:
                end = np.searchsorted(piece[0], block.stays[-1], side="right")
                stay_ids, hours, channels, values = piece
                before = stay_ids[:end], hours[:end], channels[:end], values[:end]
                bin_events(grid, block, before, settings.step_hours)
                piece = stay_ids[end:], hours[end:], channels[end:], values[end:]
                if len(piece[0]):
                    # The rest belongs to later blocks.
                    break
                piece = next(source, None)
            yield block, grid
            bar.advance()


def _read(events: Path, names: list[str]) -> Iterator[Events]:
    """Yield the events piece by piece; UserError if they are not sorted by stay and time."""
    last = (-np.inf, -np.inf)
    for batch in EVENTS.read_batches(events, ("stay_id", "hours", "variable", "value")):
        stay_ids, hours, values = (batch[name].to_numpy() for name in ("stay_id", "hours", "value"))
        later = (np.diff(stay_ids) > 0) | ((np.diff(stay_ids) == 0) & (np.diff(hours) >= 0))
        if len(batch) and not ((stay_ids[0], hours[0]) >= last and later.all()):
            raise UserError(f"{events}: events are not sorted by stay and time; regenerate the file")
        last = (stay_ids[-1], hours[-1]) if len(batch) else last
        yield stay_ids, hours, codes_of(batch["variable"], names), values
