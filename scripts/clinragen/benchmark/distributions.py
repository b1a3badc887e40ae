"""Aggregates of the samples: how often each variable is measured, its values, and lengths.

Patients are numbered from 0 here, so that the patients behind a bin are a row of an array.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clinragen.benchmark.measured import codes_of
from clinragen.benchmark.series import steps_of
from clinragen.config.benchmark import Series
from clinragen.disclosure import all_shown, drawn_bins, shown_quantile
from clinragen.registry.variables import Variable

# A continuous variable has no more bins than this over its plausible range; pictures join some of them.
FINEST_BINS = 200
# How many bins may be joined, and the share of the values that the narrower bins must show.
JOINED = (1, 2, 4, 8)
GOOD_ENOUGH = 0.95
LONGEST_HOURS, HOURS_PER_BIN = 1440, 6
MOST_WORDS, WORDS_PER_BIN = 6000, 10
# Borders of bins are exact, whatever the rounding of a division.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Bars:
    """Bars of a histogram that may be drawn: edges [n + 1] and each one's share of all drawn values [n]."""

    edges: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class Coverage:
    """How often a variable is measured in the samples; None where it would reveal few patients."""

    stays_without: float | None
    """Share of the stays in which it is never measured."""
    bins_with: float | None
    """Share of the time bins that hold a value of it."""


@dataclass(frozen=True)
class Lengths:
    """One quantity per stay: its quartiles, None where few patients are on a side, and its bars."""

    quartiles: tuple[float | None, float | None, float | None]
    bars: Bars


class Tally:
    """Values and patients per bin, counted in parts."""

    def __init__(self, edges: np.ndarray, patients: int) -> None:
        self.edges = edges
        self.counts = np.zeros(len(edges) - 1, dtype=np.int64)
        self.seen = np.zeros((len(edges) - 1, patients), dtype=bool)

    def add(self, bins: np.ndarray, patients: np.ndarray) -> None:
        """Count values by their bins and patients; values outside all bins are left out."""
        inside = (bins >= 0) & (bins < len(self.counts))
        self.counts += np.bincount(bins[inside], minlength=len(self.counts))
        self.seen[bins[inside], patients[inside]] = True

    def bars(self, choices: tuple[int, ...] = JOINED) -> Bars:
        """Return the bars that may be drawn, with as few bins joined as show nearly all values."""
        for joined in choices:
            starts = np.arange(0, len(self.counts), joined)
            counts = np.add.reduceat(self.counts, starts)
            drawn = drawn_bins(counts, np.logical_or.reduceat(self.seen, starts, axis=0).sum(axis=1))
            if drawn.sum() >= GOOD_ENOUGH * counts.sum():
                break
        return Bars(np.append(self.edges[starts], self.edges[-1]), drawn / max(drawn.sum(), 1))


def bin_edges(variable: Variable) -> np.ndarray:
    """Return the edges of the narrowest bins of a variable: round numbers over its plausible range, a bin per score."""
    low, high = variable.plausible_low, variable.plausible_high
    if variable.categorical:
        return np.arange(low - 0.5, high + 1)
    least = (high - low) / FINEST_BINS
    power = 10.0 ** math.floor(math.log10(least))
    width = power * next(step for step in (1, 2, 10) if step * power >= least * (1 - TOLERANCE))
    first = math.floor(low / width + TOLERANCE)
    return width * np.arange(first, math.ceil(high / width - TOLERANCE) + 2)


def survey_events(
    events: Iterable[pa.RecordBatch],
    stays: np.ndarray,
    steps: np.ndarray,
    patients: np.ndarray,
    variables: list[Variable],
    step_hours: float,
) -> tuple[list[Coverage], list[Bars]]:
    """Return how often each variable is measured in the samples, and its values.

    `stays`, `steps` and `patients` are arrays [samples] by ascending stay. `events` come in any number of batches; a
    picture omits unreadable values (NaN) and those outside the plausible range, a coverage only unreadable ones.
    """
    names, count = [v.name for v in variables], int(patients.max(initial=-1)) + 1
    tallies = [Tally(bin_edges(v), count) for v in variables]
    offsets = np.concatenate([[0], np.cumsum(steps)])
    measured = np.zeros((offsets[-1], len(names)), dtype=bool)
    for batch in events:
        codes = codes_of(batch["variable"], names)
        stay_ids, hours, values = (batch[name].to_numpy() for name in ("stay_id", "hours", "value"))
        rows = np.minimum(np.searchsorted(stays, stay_ids), max(len(stays) - 1, 0))
        is_measured = (codes >= 0) & ~np.isnan(values)
        is_measured &= stays[rows] == stay_ids if len(stays) else False
        rows, codes, hours, values = rows[is_measured], codes[is_measured], hours[is_measured], values[is_measured]
        bins = np.maximum((hours / step_hours - TOLERANCE).astype(np.int64), 0)
        inside = bins < steps[rows]
        measured[offsets[rows[inside]] + bins[inside], codes[inside]] = True
        for code, tally in enumerate(tallies):
            of_variable = codes == code
            positions = np.searchsorted(tally.edges, values[of_variable] + TOLERANCE, side="right") - 1
            tally.add(positions, patients[rows[of_variable]])
    # Scores are names: two of them are never joined.
    bars = [tally.bars((1,) if v.categorical else JOINED) for v, tally in zip(variables, tallies, strict=True)]
    return _coverage(measured, offsets[:-1], steps, patients), bars


def _coverage(measured: np.ndarray, starts: np.ndarray, steps: np.ndarray, patients: np.ndarray) -> list[Coverage]:
    """Return the coverage from measured bins [all bins, variables], those of a stay beginning at its start."""
    if not len(starts):
        return [Coverage(None, None)] * measured.shape[1]
    coverages = []
    for column in measured.T:
        bins = np.add.reduceat(column, starts, dtype=np.int64)
        with_it, without, gaps = (np.unique(patients[which]).size for which in (bins > 0, bins == 0, bins < steps))
        coverages.append(
            Coverage(
                float(np.mean(bins == 0)) if all_shown((with_it, without)) else None,
                float(bins.sum() / steps.sum()) if all_shown((with_it, gaps)) else None,
            )
        )
    return coverages


def survey_lengths(
    values: np.ndarray, patients: np.ndarray, width: float, longest: float, choices: tuple[int, ...] = JOINED
) -> Lengths:
    """Return quartiles and bars of one number per stay, arrays [samples]; a bin excludes its lower border."""
    tally = Tally(np.arange(0, longest + width, width), int(patients.max(initial=-1)) + 1)
    tally.add(np.maximum(np.ceil(values / width - TOLERANCE).astype(np.int64) - 1, 0), patients)
    first, median, third = (shown_quantile(values, patients, share) for share in (0.25, 0.5, 0.75))
    return Lengths((first, median, third), tally.bars(choices))


@dataclass(frozen=True)
class Survey:
    """All aggregates of the samples."""

    coverage: list[Coverage]
    values: list[Bars]
    hours: Lengths
    steps: Lengths
    words: Lengths


def survey(
    samples: pa.Table,
    stays: pa.Table,
    courses: Iterable[pa.RecordBatch],
    events: Iterable[pa.RecordBatch],
    variables: list[Variable],
    settings: Series,
) -> Survey:
    """Return aggregates over the samples: measurements, values, and lengths of stays, series and courses."""
    samples = samples.sort_by("stay_id")
    stay_ids = samples["stay_id"].to_numpy()
    _, patients = np.unique(samples["subject_id"].to_numpy(), return_inverse=True)
    los = dict(zip(stays["stay_id"].to_pylist(), stays["los_hours"].to_pylist(), strict=True))
    hours = np.array([los[stay] for stay in stay_ids.tolist()], dtype=float)
    steps = np.array([steps_of(length, settings) for length in hours.tolist()], dtype=np.int64)
    counted = {row["stay_id"]: len(row["text"].split()) for batch in courses for row in batch.to_pylist()}
    words = np.array([counted[stay] for stay in stay_ids.tolist()], dtype=float)
    coverage, values = survey_events(events, stay_ids, steps, patients, variables, settings.step_hours)
    # Bars of hours and of steps have the same width, so that the difference of two pictures reveals nothing either.
    per_bin = max(1, round(HOURS_PER_BIN / settings.step_hours))
    width = per_bin * settings.step_hours
    in_hours = survey_lengths(hours, patients, width, LONGEST_HOURS)
    joined = (round(in_hours.bars.edges[1] / width),)
    return Survey(
        coverage,
        values,
        in_hours,
        survey_lengths(steps, patients, per_bin, LONGEST_HOURS / settings.step_hours, joined),
        survey_lengths(words, patients, WORDS_PER_BIN, MOST_WORDS),
    )
