"""Regular series from irregular events, against a slow and obvious implementation."""

import datetime as dt
import statistics
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_folders import RESOURCES

from clinragen.benchmark.series import BINS, Block, bin_events, cut, fill, find_scales, make_series, steps_of
from clinragen.config.benchmark import Series
from clinragen.errors import UserError
from clinragen.registry.variables import read_variables
from clinragen.schemas.benchmark import SAMPLES, SCALES, SERIES
from clinragen.schemas.extract import EVENTS, STAYS

USUAL = Series(variables=11, step_hours=1.0, max_steps=1000, fill="nearest", scaled=True)
VARIABLES = read_variables(RESOURCES / "variables.csv", 11)
NAMES = [v.name for v in VARIABLES]
NAN = float("nan")
SPLITS = ("train", "validation", "test")


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


def block_of(*steps: int) -> Block:
    """A block of stays 10, 20, ... with these numbers of bins."""
    return Block(np.arange(1, len(steps) + 1) * 10, np.array(steps), np.full(len(steps), "train"))


def binned(block: Block, events: list[tuple], width: float, channels: int) -> np.ndarray:
    """The bins of a block from events (stay, hours, channel, value), in the order given."""
    grid = np.full((block.steps.sum(), channels), np.nan)
    columns = list(zip(*events, strict=True)) or [()] * 4
    kinds = (np.int64, np.float64, np.int8, np.float64)
    bin_events(grid, block, tuple(np.array(c, kind) for c, kind in zip(columns, kinds, strict=True)), width)
    return grid


@pytest.mark.parametrize(
    ("hours", "bin_"), [(0, 0), (0.5, 0), (1.0, 0), (1.0003, 1), (2.0, 1), (3.0, 2), (3.5, None), (-5e-7, 0)]
)
def test_a_value_on_a_border_belongs_to_the_earlier_bin(hours, bin_):
    grid = binned(block_of(3), [(10, hours, 0, 7.0)], width=1.0, channels=1)
    assert np.flatnonzero(~np.isnan(grid[:, 0])).tolist() == ([] if bin_ is None else [bin_])


# NaN counts as not measured; channel -1 is a variable that was not chosen.
VALUES = st.floats(-50, 50) | st.just(NAN)
EVENT_LISTS = st.lists(
    st.tuples(st.integers(0, 40 * 60).map(lambda m: m / 60), st.integers(-1, 2), VALUES), max_size=60
)


def slow_grid(events, steps, width):
    """Bin by bin: the last value with start < t <= end; the first bin takes t = 0 too."""
    grid = [[NAN] * 3 for _ in range(steps)]
    for b in range(steps):
        for hours, channel, value in events:
            if channel < 0 or value != value:
                continue
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


@settings(max_examples=200)
@given(
    stays=st.lists(
        st.tuples(st.integers(1, 45), EVENT_LISTS.map(lambda e: sorted(e, key=lambda x: x[0]))), min_size=1, max_size=5
    ),
    width=st.sampled_from([0.5, 1.0, 2.0]),
    method=st.sampled_from(["nearest", "previous"]),
)
def test_bins_and_gaps_of_many_stays_as_in_the_slow_implementation(stays, width, method):
    block, normal = block_of(*(steps for steps, _ in stays)), np.array([1.0, 2.0, 3.0])
    events = [(stay, *e) for stay, (_, own) in zip(block.stays.tolist(), stays, strict=True) for e in own]
    grid = binned(block, [(5, 0.5, 0, -99.0), *events, (99, 0.5, 0, -99.0)], width, 3)
    slow = [slow_grid(own, steps, width) for steps, own in stays]
    np.testing.assert_array_equal(grid, np.concatenate(slow))
    filled = [np.array(slow_fill(one, normal, method)) for one in slow]
    np.testing.assert_array_equal(fill(grid, block, normal, method), np.concatenate(filled))


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
    """Alone, and between two stays whose values are not its own."""
    grid, block = np.array(column, float)[:, None], block_of(1, len(column), 1)
    assert fill(grid, block_of(len(column)), np.array([9.0]), method)[:, 0].tolist() == filled
    between = np.concatenate([[[77.0]], grid, [[77.0]]])
    assert fill(between, block, np.array([9.0]), method)[:, 0].tolist() == [77, *filled, 77]


def tables_of(stays: dict[int, tuple[str, float]]) -> tuple[pa.Table, pa.Table]:
    """SAMPLES and STAYS of stays {id: (split, hours)}."""
    samples = [{"stay_id": s, "subject_id": s, "hadm_id": s, "split": split} for s, (split, _) in stays.items()]
    rows = [
        {"subject_id": s, "hadm_id": s, "stay_id": s, "los_hours": hours, "age": 50.0, "gender": "F"}
        | {"intime": dt.datetime(2100, 1, 1)}
        for s, (_, hours) in stays.items()
    ]
    return pa.Table.from_pylist(samples, schema=SAMPLES.schema), pa.Table.from_pylist(rows, schema=STAYS.schema)


def write_events(events: list[tuple], path: Path, rows_at_once: int = 1000) -> Path:
    """An EVENTS file of events (stay, hours, variable, value), in the order given."""
    rows = [dict(zip(EVENTS.schema.names, (*event, None), strict=True)) for event in events]
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    with EVENTS.writer(path) as out:
        for start in range(0, len(events), rows_at_once):
            out.write(table.slice(start, rows_at_once))
    return path


@pytest.fixture
def make(tmp_path):
    """Series of stays {id: (split, hours)} from events (stay, hours, variable, value), through the file."""

    def made(stays, events, config=USUAL, variables=VARIABLES, bins=BINS):
        path = write_events(sorted(events), tmp_path / "events.parquet")
        blocks = cut(*tables_of(stays), config, bins)
        scales = find_scales(path, blocks, variables, config)
        rows = {}
        for split, table in make_series(path, blocks, scales, config):
            found = SERIES.check(table, "test").to_pylist()
            assert {stays[r["stay_id"]][0] for r in found} == {split}
            rows |= {r["stay_id"]: r for r in found}
        return rows, {r["variable"]: r for r in SCALES.check(scales, "test").to_pylist()}

    return made


def channel(row: dict, variable: str, what: str = "values") -> list:
    return row[what][NAMES.index(variable) :: len(NAMES)]


def test_scales_come_from_the_training_part_only(make):
    stays = {1: ("train", 3.0), 2: ("train", 2.0), 3: ("validation", 2.0), 4: ("test", 2.0)}
    training = [(1, 0.5, "Heart Rate", 60.0), (1, 2.5, "Heart Rate", 80.0), (2, 0.5, "Heart Rate", 100.0)]
    others = [(3, 0.5, "Heart Rate", 300.0), (4, 0.5, "Heart Rate", 10.0)]
    series, scales = make(stays, training + others)
    mean, std = 80.0, statistics.stdev([60, 80, 100])
    assert (scales["Heart Rate"]["mean"], scales["Heart Rate"]["std"]) == pytest.approx((mean, std))
    assert make(stays, [*training, (3, 0.5, "Heart Rate", 1.0), (4, 1.5, "pH", 9.0)])[1] == scales
    # Measured, filled from the nearest bin (a tie: from the past), measured.
    assert channel(series[1], "Heart Rate") == pytest.approx([(v - mean) / std for v in (60, 60, 80)])
    assert channel(series[3], "Heart Rate") == pytest.approx([(300 - mean) / std] * 2)
    assert channel(series[1], "Heart Rate", "measured") == [True, False, True]


def test_raw_units_are_left_as_they_are(make):
    stays, events = {1: ("train", 2.0)}, [(1, 0.5, "Heart Rate", 60.0), (1, 1.5, "Heart Rate", 80.0)]
    raw, scales = make(stays, events, USUAL.model_copy(update={"scaled": False}))
    assert channel(raw[1], "Heart Rate") == [60.0, 80.0] and channel(raw[1], "Weight") == [81.0, 81.0]
    assert scales == make(stays, events)[1]


def test_a_channel_never_measured_is_normal_and_marked_as_unmeasured(make):
    events = [(1, 0.5, "pH", 7.2), (1, 1.5, "pH", 7.4), (2, 0.5, "Heart Rate", 70.0)]
    series, scales = make({1: ("train", 2.0), 2: ("train", 2.0)}, events)
    ph = scales["pH"]
    assert channel(series[2], "pH") == pytest.approx([(7.4 - ph["mean"]) / ph["std"]] * 2, rel=1e-5)
    assert channel(series[2], "pH", "measured") == [False, False]
    # Nobody's weight was measured: mean and standard deviation are the normal value and 1.
    assert (scales["Weight"]["mean"], scales["Weight"]["std"]) == (81.0, 1.0)
    assert channel(series[1], "Weight") == [0.0, 0.0]


def test_a_stay_of_unknown_length_has_no_series(make):
    series, _ = make({1: ("train", 2.0), 2: ("train", None)}, [(1, 0.5, "pH", 7.4)])
    assert set(series) == {1}


def test_a_variable_that_never_varies_does_not_divide_by_zero(make):
    series, scales = make({1: ("train", 2.0)}, [(1, 0.5, "pH", 7.4), (1, 1.5, "pH", 7.4)])
    assert scales["pH"]["std"] == 1e-7 and channel(series[1], "pH") == [0.0, 0.0]


def test_the_last_value_of_a_bin_wins_and_the_rest_of_a_long_stay_is_cut(make):
    config = USUAL.model_copy(update={"max_steps": 8})
    events = [(1, 0.2, "pH", 7.0), (1, 0.9, "pH", 7.2), (1, 1.5, "pH", 7.4), (1, 20.0, "pH", 6.5)]
    series, scales = make({1: ("train", 30.0)}, events, config)
    assert series[1]["steps"] == 8 and len(series[1]["values"]) == 8 * 11
    assert channel(series[1], "pH", "measured") == [True, True] + [False] * 6
    assert scales["pH"]["mean"] == pytest.approx(7.3)


def test_variables_outside_the_chosen_ones_and_stays_outside_the_samples_do_not_count(make):
    events = [(1, 0.5, "Height", 170.0), (1, 0.5, "pH", 7.4), (9, 0.5, "pH", 6.9)]
    series, scales = make({1: ("train", 1.0)}, events)
    assert list(series) == [1] and "Height" not in scales and sum(series[1]["measured"]) == 1


def test_a_sample_without_any_of_the_variables_is_normal_throughout(make):
    series, _ = make({1: ("train", 2.0), 2: ("test", 2.0)}, [(2, 0.5, "pH", 7.4)])
    assert not any(series[1]["measured"]) and len(series[1]["values"]) == 22


def test_series_come_in_the_order_of_stays_with_17_variables_too(make):
    every = read_variables(RESOURCES / "variables.csv", 17)
    config = USUAL.model_copy(update={"variables": 17})
    series, scales = make({5: ("train", 1.0), 2: ("train", 1.0)}, [(5, 0.5, "Height", 170.0)], config, every)
    assert list(series) == [2, 5] and list(scales) == [v.name for v in every]
    assert len(series[5]["values"]) == 17 and sum(series[5]["measured"]) == 1 and sum(series[2]["measured"]) == 0


def test_a_value_that_is_not_a_number_was_not_measured(make):
    stays, measured = {1: ("train", 3.0)}, [(1, 0.5, "pH", 7.2), (1, 2.5, "pH", 7.4)]
    assert make(stays, [*measured, (1, 0.7, "pH", NAN), (1, 1.5, "pH", NAN)]) == make(stays, measured)


def test_samples_without_any_event_at_all_are_normal_throughout(make):
    series, scales = make({3: ("train", 2.0), 4: ("test", 1.0)}, [])
    assert {stay: r["steps"] for stay, r in series.items()} == {3: 2, 4: 1}
    assert not any(v for r in series.values() for v in r["values"] + r["measured"])
    assert {(s["mean"] == s["normal"], s["std"]) for s in scales.values()} == {(True, 1.0)}


def bytes_of(table: pa.Table) -> bytes:
    """The table as one batch of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


STAYS_AND_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(SPLITS),
        st.floats(0, 30),
        st.lists(st.tuples(st.integers(0, 30 * 60).map(lambda m: m / 60), st.sampled_from(NAMES[:3]), VALUES)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(stays=STAYS_AND_EVENTS, rows=st.integers(1, 40), bins=st.integers(1, 100))
def test_the_same_bytes_whatever_the_size_of_blocks(tmp_path_factory, stays, rows, bins):
    directory = tmp_path_factory.mktemp("blocks")
    samples = {i: (split, hours) for i, (split, hours, _) in enumerate(stays)}
    ordered = sorted(((i, *e) for i, (_, _, events) in enumerate(stays) for e in events), key=lambda e: e[:3])
    path = write_events(ordered, directory / "events.parquet", rows)

    def made(bins: int) -> list[bytes]:
        blocks = cut(*tables_of(samples), USUAL, bins)
        scales = find_scales(path, blocks, VARIABLES, USUAL)
        found = {split: [SERIES.schema.empty_table()] for split in SPLITS}
        for split, table in make_series(path, blocks, scales, USUAL):
            found[split].append(table)
        return [bytes_of(table) for table in (scales, *map(pa.concat_tables, found.values()))]

    # Blocks of one bin: one stay each.
    assert made(1) == made(bins) == made(10**9)
    assert [len(b.stays) for b in cut(*tables_of(samples), USUAL, 1)] == [1] * len(samples)


def test_means_and_deviations_of_large_close_numbers_are_exact(make):
    """The sum of squares would lose all digits of these."""
    values = [1e9 + x for x in (0.0, 0.25, 0.5, 1.0, 1.75)]
    stays = {i: ("train", 2.0) for i in range(3)}
    events = [(i % 3, i // 3 + 0.5, "pH", v) for i, v in enumerate(values)]
    _, scales = make(stays, events)
    assert scales["pH"]["mean"] == pytest.approx(1e9 + 0.7, abs=1e-6)
    assert scales["pH"]["std"] == pytest.approx(statistics.stdev([0.0, 0.25, 0.5, 1.0, 1.75]), rel=1e-6)


@pytest.mark.parametrize(
    "events",
    [
        [(2, 0.5, "pH", 7.2), (1, 0.5, "pH", 7.3)],
        [(1, 0.5, "pH", 7.2), (1, 0.4, "pH", 7.3)],
    ],
)
@pytest.mark.parametrize("rows", [1, 2])
def test_events_out_of_order_are_an_error_not_other_series(tmp_path, events, rows):
    path = write_events(events, tmp_path / "events.parquet", rows)
    blocks = cut(*tables_of({1: ("train", 2.0), 2: ("train", 2.0)}), USUAL)
    with pytest.raises(UserError, match=r"events.parquet: events are not sorted by stay and time"):
        find_scales(path, blocks, VARIABLES, USUAL)
