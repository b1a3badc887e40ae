"""Regular series from irregular events, against a slow and obvious implementation."""

import datetime as dt
import statistics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_folders import RESOURCES

from clinragen.benchmark.series import bin_events, fill, make_series, steps_of
from clinragen.config.benchmark import Series
from clinragen.registry.variables import read_variables
from clinragen.tables.benchmark import SAMPLES, SCALES, SERIES
from clinragen.tables.extract import EVENTS, STAYS

USUAL = Series(variables=11, step_hours=1.0, max_steps=1000, fill="nearest")
VARIABLES = read_variables(RESOURCES / "variables.csv", 11)
NAMES = [v.name for v in VARIABLES]
NAN = float("nan")


@pytest.mark.parametrize(
    ("hours", "width", "longest", "steps"),
    [
        (24, 1.0, 1000, 24),
        (24.01, 1.0, 1000, 25),
        (23.99, 1.0, 1000, 24),
        (0.2, 1.0, 1000, 1),
        (0, 1.0, 1000, 1),
        (24, 0.5, 1000, 48),
        (24, 0.8, 1000, 30),
        (24, 5.0, 1000, 5),
        (2000, 1.0, 1000, 1000),
    ],
)
def test_a_full_last_bin_opens_no_further_one(hours, width, longest, steps):
    assert steps_of(hours, USUAL.model_copy(update={"step_hours": width, "max_steps": longest})) == steps


@pytest.mark.parametrize(
    ("hours", "bin_"), [(0, 0), (0.5, 0), (1.0, 0), (1.0003, 1), (2.0, 1), (3.0, 2), (3.5, None), (-5e-7, 0)]
)
def test_a_value_on_a_border_belongs_to_the_earlier_bin(hours, bin_):
    grid = bin_events(np.array([hours]), np.array([0]), np.array([7.0]), steps=3, width=1.0, n=1)
    assert np.flatnonzero(~np.isnan(grid[:, 0])).tolist() == ([] if bin_ is None else [bin_])


EVENT_LISTS = st.lists(
    st.tuples(st.integers(0, 40 * 60).map(lambda m: m / 60), st.integers(0, 2), st.floats(-50, 50)), max_size=60
)


def slow_grid(events, steps, width):
    """Bin by bin: the last value with start < t <= end; the first bin takes t = 0 too."""
    grid = [[NAN] * 3 for _ in range(steps)]
    for b in range(steps):
        for hours, channel, value in events:
            if b * width + 1e-6 * width < hours <= (b + 1) * width + 1e-9 or (b == 0 and hours <= width):
                grid[b][channel] = value
    return grid


def slow_fill(grid, normal, method):
    filled = [row[:] for row in grid]
    for c in range(3):
        known = [b for b, row in enumerate(grid) if row[c] == row[c]]
        for b in range(len(grid)):
            past = [k for k in known if k <= b]
            if not known or (method == "previous" and not past):
                filled[b][c] = normal[c]
            elif method == "previous":
                filled[b][c] = grid[past[-1]][c]
            else:
                # Of two equally near bins the earlier one.
                filled[b][c] = grid[min(known, key=lambda k: (abs(k - b), k))][c]
    return filled


@settings(max_examples=200, deadline=None)
@given(
    events=EVENT_LISTS.map(lambda e: sorted(e, key=lambda x: x[0])),
    steps=st.integers(1, 45),
    width=st.sampled_from([0.5, 1.0, 2.0]),
    method=st.sampled_from(["nearest", "previous"]),
)
def test_bins_and_gaps_as_in_the_slow_implementation(events, steps, width, method):
    hours, channels, values = (np.array(c) for c in zip(*events, strict=True)) if events else [np.array([])] * 3
    grid = bin_events(hours, channels.astype(int), values, steps, width, 3)
    np.testing.assert_array_equal(grid, slow_grid(events, steps, width))
    normal = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(fill(grid, normal, method), slow_fill(grid.tolist(), normal, method))


@pytest.mark.parametrize(
    ("method", "column", "filled"),
    [
        ("nearest", [NAN, 1, NAN, NAN, NAN, 5, NAN], [1, 1, 1, 1, 5, 5, 5]),
        ("previous", [NAN, 1, NAN, NAN, NAN, 5, NAN], [9, 1, 1, 1, 1, 5, 5]),
        ("nearest", [NAN, NAN], [9, 9]),
        ("previous", [NAN, NAN], [9, 9]),
        ("nearest", [3], [3]),
    ],
)
def test_gaps_by_hand(method, column, filled):
    assert fill(np.array(column)[:, None].astype(float), np.array([9.0]), method)[:, 0].tolist() == filled


def make(stays: dict[int, tuple[str, float]], events: list[tuple], config=USUAL, variables=VARIABLES):
    """Series of stays {id: (part, hours)} from events (stay, hours, variable, value)."""
    samples = [{"stay_id": s, "subject_id": s, "hadm_id": s, "part": part} for s, (part, _) in stays.items()]
    rows = [
        {"subject_id": s, "hadm_id": s, "stay_id": s, "los_hours": hours, "age": 50.0, "gender": "F"}
        | {"intime": dt.datetime(2100, 1, 1)}
        for s, (_, hours) in stays.items()
    ]
    columns = zip(*sorted(events), strict=True)
    table = pa.table([pa.array(c, t.type) for c, t in zip(columns, EVENTS.schema, strict=True)], schema=EVENTS.schema)
    series, scales = make_series(
        pa.Table.from_pylist(samples, schema=SAMPLES.schema),
        pa.Table.from_pylist(rows, schema=STAYS.schema),
        table,
        variables,
        config,
    )
    found = {r["stay_id"]: r for r in SERIES.check(series, "test").to_pylist()}
    return found, {r["variable"]: r for r in SCALES.check(scales, "test").to_pylist()}


def channel(row: dict, variable: str, what: str = "values") -> list:
    return row[what][NAMES.index(variable) :: len(NAMES)]


def test_scales_come_from_the_training_part_only():
    stays = {1: ("train", 3.0), 2: ("train", 2.0), 3: ("validation", 2.0), 4: ("test", 2.0)}
    training = [(1, 0.5, "Heart Rate", 60.0), (1, 2.5, "Heart Rate", 80.0), (2, 0.5, "Heart Rate", 100.0)]
    others = [(3, 0.5, "Heart Rate", 300.0), (4, 0.5, "Heart Rate", 10.0)]
    series, scales = make(stays, training + others)
    mean, deviation = 80.0, statistics.stdev([60, 80, 100])
    assert (scales["Heart Rate"]["mean"], scales["Heart Rate"]["deviation"]) == pytest.approx((mean, deviation))
    assert make(stays, [*training, (3, 0.5, "Heart Rate", 1.0), (4, 1.5, "pH", 9.0)])[1] == scales
    # Measured, filled from the nearest bin (a tie: from the past), measured.
    assert channel(series[1], "Heart Rate") == pytest.approx([(v - mean) / deviation for v in (60, 60, 80)])
    assert channel(series[3], "Heart Rate") == pytest.approx([(300 - mean) / deviation] * 2)
    assert channel(series[1], "Heart Rate", "measured") == [True, False, True]


def test_what_was_never_measured_is_normal_and_told_as_unmeasured():
    events = [(1, 0.5, "pH", 7.2), (1, 1.5, "pH", 7.4), (2, 0.5, "Heart Rate", 70.0)]
    series, scales = make({1: ("train", 2.0), 2: ("train", 2.0)}, events)
    ph = scales["pH"]
    assert channel(series[2], "pH") == pytest.approx([(7.4 - ph["mean"]) / ph["deviation"]] * 2, rel=1e-5)
    assert channel(series[2], "pH", "measured") == [False, False]
    # Nobody's weight was measured: mean and deviation are the normal value and 1.
    assert (scales["Weight"]["mean"], scales["Weight"]["deviation"]) == (81.0, 1.0)
    assert channel(series[1], "Weight") == [0.0, 0.0]


def test_a_variable_that_never_varies_does_not_divide_by_zero():
    series, scales = make({1: ("train", 2.0)}, [(1, 0.5, "pH", 7.4), (1, 1.5, "pH", 7.4)])
    assert scales["pH"]["deviation"] == 1e-7 and channel(series[1], "pH") == [0.0, 0.0]


def test_the_last_value_of_a_bin_wins_and_the_rest_of_a_long_stay_is_cut():
    config = USUAL.model_copy(update={"max_steps": 8})
    events = [(1, 0.2, "pH", 7.0), (1, 0.9, "pH", 7.2), (1, 1.5, "pH", 7.4), (1, 20.0, "pH", 6.5)]
    series, scales = make({1: ("train", 30.0)}, events, config)
    assert series[1]["steps"] == 8 and len(series[1]["values"]) == 8 * 11
    assert channel(series[1], "pH", "measured") == [True, True] + [False] * 6
    assert scales["pH"]["mean"] == pytest.approx(7.3)


def test_variables_outside_the_chosen_ones_and_stays_outside_the_samples_do_not_count():
    events = [(1, 0.5, "Height", 170.0), (1, 0.5, "pH", 7.4), (9, 0.5, "pH", 6.9)]
    series, scales = make({1: ("train", 1.0)}, events)
    assert list(series) == [1] and "Height" not in scales and sum(series[1]["measured"]) == 1


def test_a_sample_without_any_of_the_variables_is_normal_throughout():
    series, _ = make({1: ("train", 2.0), 2: ("test", 2.0)}, [(2, 0.5, "pH", 7.4)])
    assert not any(series[1]["measured"]) and len(series[1]["values"]) == 22


def test_samples_come_in_their_own_order_with_17_variables_too():
    every = read_variables(RESOURCES / "variables.csv", 17)
    config = USUAL.model_copy(update={"variables": 17})
    series, scales = make({5: ("train", 1.0), 2: ("train", 1.0)}, [(5, 0.5, "Height", 170.0)], config, every)
    assert list(series) == [5, 2] and list(scales) == [v.name for v in every]
    assert len(series[5]["values"]) == 17 and sum(series[5]["measured"]) == 1 and sum(series[2]["measured"]) == 0
