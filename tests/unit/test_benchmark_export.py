"""The layout of mimic3-benchmarks."""

import csv
import datetime as dt

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.benchmark.export import export_samples, name_episodes, read_episodes
from clinragen.schemas.extract import EVENTS, STAYS

VARIABLES = ["Glucose", "Heart Rate", "pH"]
DAY = dt.datetime(2100, 1, 1)


def stays(*rows: tuple[int, int, int]) -> pa.Table:
    """Stays from (patient, stay, day of admission)."""
    values = [
        {"subject_id": p, "hadm_id": s, "stay_id": s, "intime": DAY + dt.timedelta(days=d), "los_hours": 24.5,
         "outtime": None, "age": 50.0, "gender": "F"}
        for p, s, d in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(values, schema=STAYS.schema)


def events(*rows: tuple) -> pa.Table:
    """Events from (stay, hours, variable, value, text)."""
    return pa.Table.from_pylist([dict(zip(EVENTS.schema.names, r, strict=True)) for r in rows], schema=EVENTS.schema)


def episodes(table: pa.Table, size: int = 1000) -> list[tuple[int, list[list[str]]]]:
    return list(read_episodes(iter(table.to_batches(max_chunksize=size)), VARIABLES))


def test_a_row_per_time_with_texts_unchanged_and_numbers_in_full():
    table = events(
        (7, 0.1, "Heart Rate", 88.0, None), (7, 0.1, "pH", 7.4, None), (7, 1 / 3, "Heart Rate", float("nan"), ">60")
    )
    assert episodes(table) == [
        (7, [["0.1", "", "88.0", "7.4"], ["0.3333333333333333", "", ">60", ""]]),
    ]


def test_a_time_that_comes_twice_makes_two_rows():
    copies = [(7, 2.0, "Heart Rate", 88.0, None), (7, 2.0, "pH", 7.4, None)]
    assert episodes(events(*copies, *copies)) == [(7, [["2.0", "", "88.0", "7.4"]] * 2)]


@settings(max_examples=50)
@given(
    cells=st.sets(st.tuples(st.integers(1, 3), st.integers(0, 4), st.sampled_from(VARIABLES)), max_size=40),
    size=st.integers(1, 50),
)
def test_every_cell_comes_out_once_wherever_a_batch_ends(cells, size):
    ordered = sorted(cells, key=lambda c: (c[0], c[1], VARIABLES.index(c[2])))
    rows = [(s, float(h), v, float(n), None) for n, (s, h, v) in enumerate(ordered)]
    found = [
        (stay, float(row[0]), variable, float(cell))
        for stay, lines in episodes(events(*rows), size)
        for row in lines
        for variable, cell in zip(VARIABLES, row[1:], strict=True)
        if cell
    ]
    assert found == [r[:4] for r in rows]


def test_episodes_are_numbered_by_admission_whether_or_not_they_have_samples():
    names = name_episodes(stays((1, 30, 5), (1, 10, 9), (2, 20, 1)))
    assert names == {
        30: "1_episode1_timeseries.csv",
        10: "1_episode2_timeseries.csv",
        20: "2_episode1_timeseries.csv",
    }


def test_the_folders_and_their_lists(tmp_path):
    cohort = stays((1, 10, 0), (2, 20, 0), (3, 30, 0), (4, 40, 0))
    splits = {10: "train", 20: "validation", 30: "test", 40: "train"}
    labels = {10: ["Shock"], 20: [], 30: ["Anemia, other"]}  # of 40 nothing is known
    found = iter(episodes(events(*((s, 1.0, "pH", 7.4, None) for s in splits))))
    counts = export_samples(tmp_path, cohort, splits, labels, ["Anemia, other", "Shock"], found, VARIABLES)
    assert counts == {"train": 2, "test": 1}
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.csv")) == [
        "test/3_episode1_timeseries.csv",
        "test/listfile.csv",
        "train/1_episode1_timeseries.csv",
        "train/2_episode1_timeseries.csv",
        "train/listfile.csv",
    ]
    assert (tmp_path / "train/1_episode1_timeseries.csv").read_text() == "Hours,Glucose,Heart Rate,pH\n1.0,,,7.4\n"
    with (tmp_path / "train/listfile.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["stay", "period_length", "Anemia, other", "Shock"],
            ["1_episode1_timeseries.csv", "24.500000", "0", "1"],
            ["2_episode1_timeseries.csv", "24.500000", "0", "0"],
        ]
