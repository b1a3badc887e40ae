"""Events as batches of arrays; a table of several chunks, each with its own dictionary, is read right."""

import math

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinragen.benchmark.captions import make_captions, make_fences
from clinragen.benchmark.measured import batches, codes_of
from clinragen.errors import UserError
from clinragen.schemas.extract import EVENTS

NAMES = ["pH", "Glucose", "Heart Rate"]


def part(*rows: tuple[int, str, float]) -> pa.Table:
    full = [{"stay_id": s, "hours": 1.0, "variable": v, "value": float(x)} for s, v, x in rows]
    return pa.Table.from_pylist(full, schema=EVENTS.schema)


def several() -> pa.Table:
    """Two chunks whose dictionaries number the variables differently, and an empty one."""
    return pa.concat_tables([part((1, "Heart Rate", 90), (1, "pH", 7)), part(), part((2, "pH", 8), (2, "Weight", 70))])


def test_codes_are_places_in_the_list_whatever_the_dictionaries():
    codes = [codes_of(chunk, NAMES) for chunk in several()["variable"].chunks]
    assert [c.tolist() for c in codes] == [[2, 0], [], [0, -1]] and {c.itemsize for c in codes} == {1}


def test_batches_hold_the_events_of_the_variables():
    found = [tuple(zip(*(a.tolist() for a in batch), strict=True)) for batch in batches(several(), NAMES)]
    assert [row for batch in found for row in batch] == [(1, 2, 90.0), (1, 0, 7.0), (2, 0, 8.0)]


def test_a_value_that_is_not_a_number_was_not_measured():
    events = part((1, "pH", float("nan")), (1, "pH", 7), (2, "pH", 8))
    assert [values.tolist() for _, _, values in batches(events, NAMES)] == [[7, 8]]
    fences = make_fences(events, {1, 2}, ["pH"], 1.5)
    assert fences.to_pylist() == make_fences(part((1, "pH", 7), (2, "pH", 8)), {1, 2}, ["pH"], 1.5).to_pylist()


def test_captions_and_fences_of_several_chunks():
    fences = make_fences(several(), {1, 2}, ["pH", "Heart Rate"], 0)
    assert [tuple(r.values()) for r in fences.to_pylist()] == [("pH", 7.25, 7.75), ("Heart Rate", -math.inf, math.inf)]
    assert make_captions(several(), [2, 1, 3], fences)["text"].to_pylist() == [
        "pH is higher than normal 1 times. Heart Rate is normal all the time.",
        "pH is lower than normal 1 times. Heart Rate is normal all the time.",
        "pH is normal all the time. Heart Rate is normal all the time.",
    ]
    assert make_captions(several(), [], fences).num_rows == 0


def test_a_name_takes_one_byte_in_memory_and_survives_the_file_and_duckdb(tmp_path):
    as_text = several().to_pylist()
    for table in (several(), several().set_column(2, "variable", several()["variable"].cast(pa.string()))):
        EVENTS.write(table, tmp_path / "events.parquet")
        read = EVENTS.read(tmp_path / "events.parquet")
        assert read.to_pylist() == as_text and read.schema.field("variable").type.index_type == pa.int8()
        with duckdb.connect() as connection:
            connection.register("events", read)
            rows = connection.execute("SELECT count(*) FROM events WHERE variable = 'pH'").fetchall()
            assert rows == [(2,)]


def test_single_columns_are_read_and_only_these_are_checked(tmp_path):
    path = tmp_path / "events.parquet"
    EVENTS.write(several(), path)
    read = EVENTS.read(path, columns=("value", "stay_id"))
    assert read.column_names == ["stay_id", "value"] and read["stay_id"].to_pylist() == [1, 1, 2, 2]
    pq.write_table(several().drop_columns(["value"]), path)
    assert EVENTS.read(path, columns=("stay_id",)).num_rows == 4
    with pytest.raises(UserError, match=r"events.parquet: table events lacks columns \['value'\]"):
        EVENTS.read(path, columns=("stay_id", "value"))
