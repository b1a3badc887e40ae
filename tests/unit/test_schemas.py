"""Tables are checked against their schema when they are written and when they are read."""

import datetime as dt
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen import schemas as package
from clinragen.errors import UserError
from clinragen.schemas import audit, benchmark, evaluate, extract, knowledge, leakage, predictions, rationale
from clinragen.schemas.schema import Column, Table

TABLE = Table(
    "toy",
    (
        Column("id", pa.int64(), "identifier"),
        Column("text", pa.string(), "any text"),
        Column("remark", pa.string(), "text or nothing", nullable=True),
        Column("value", pa.float64(), "number or nothing", nullable=True),
        Column("small", pa.int32(), "count or nothing", nullable=True),
    ),
    key=("id",),
)
NESTED = Table("nested", (Column("id", pa.int64(), "identifier"), Column("parts", pa.list_(pa.string()), "list")))
ALL = [
    t
    for m in (audit, benchmark, evaluate, extract, knowledge, leakage, predictions, rationale)
    for t in vars(m).values()
    if isinstance(t, Table)
]

TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "",
        "a,b",
        'say "no"',
        "two\nlines",
        "two\r\nlines",
        "NA",
        "null",
        "NaN",
        "None",
        "-",
        " padded ",
        "0123",
        "µg ≥ 3",
        "'",
    ]
)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        TEXT,
        st.none() | TEXT,
        st.none() | st.floats(allow_nan=False),
        st.none() | st.integers(-(2**31), 2**31 - 1),
    ),
    max_size=8,
    unique_by=lambda row: row[0],
)


def toy(*rows: tuple) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(TABLE.columns)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, TABLE.schema, strict=True)], names=TABLE.schema.names)


ONE = (1, "a", None, 0.5, 3)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
@settings(max_examples=150)
@given(rows=ROWS)
def test_round_trip(suffix, rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / f"toy{suffix}"
    table = toy(*rows)
    TABLE.write(table, path)
    assert TABLE.read(path).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_a_table_of_several_megabytes_keeps_texts_of_several_lines(suffix, tmp_path):
    text = 'line one, "quoted"\nline two\n\n' * 60
    table = toy(*((i, text + str(i), None, None, None) for i in range(3000)))
    TABLE.write(table, tmp_path / f"t{suffix}")
    assert TABLE.read(tmp_path / f"t{suffix}").to_pylist() == table.to_pylist()


def test_infinite_fences_survive_csv(tmp_path):
    table = pa.table({"variable": ["pH"], "low": [-math.inf], "high": [math.inf]})
    benchmark.FENCES.write(table, tmp_path / "f.csv")
    assert benchmark.FENCES.read(tmp_path / "f.csv").to_pylist() == [
        {"variable": "pH", "low": -math.inf, "high": math.inf}
    ]


def test_csv_distinguishes_an_empty_text_from_a_missing_one(tmp_path):
    TABLE.write(toy((1, "", "", None, None), (2, "", None, None, None)), tmp_path / "t.csv")
    assert TABLE.read(tmp_path / "t.csv")["remark"].to_pylist() == ["", None]


def test_lists_and_meanings_travel_in_parquet(tmp_path):
    table = pa.table({"id": [1, 2], "parts": [["a", "b"], []]})
    NESTED.write(table, tmp_path / "n.parquet")
    assert NESTED.read(tmp_path / "n.parquet").to_pylist() == table.to_pylist()
    schema = pq.read_schema(tmp_path / "n.parquet")
    assert schema.metadata[b"table"] == b"nested" and schema.field("id").metadata[b"meaning"] == b"identifier"


def test_columns_come_in_the_order_of_the_schema(tmp_path):
    TABLE.write(toy(ONE).select(["small", "value", "text", "remark", "id"]), tmp_path / "t.parquet")
    assert TABLE.read(tmp_path / "t.parquet").column_names == TABLE.schema.names


BROKEN = {
    "missing column": (lambda t: t.drop_columns(["value"]), r"lacks columns \['value'\]"),
    "extra column": (lambda t: t.append_column("odd", pa.array([1])), r"unknown columns \['odd'\]"),
    "column twice": (lambda t: t.append_column("id", pa.array([1])), "id"),
    "empty value": (lambda t: t.set_column(1, "text", pa.array([None], pa.string())), "text"),
    "wrong type": (lambda t: t.set_column(0, "id", pa.array(["one"])), "toy"),
    "no whole number": (lambda t: t.set_column(4, "small", pa.array([1.5])), "toy"),
    "too large": (lambda t: t.set_column(4, "small", pa.array([2**40])), "toy"),
    "key twice": (lambda t: pa.concat_tables([t, t]), "1 values of id occur twice"),
}


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_table_that_does_not_fit_is_neither_written_nor_read(broken, message, tmp_path):
    table, path = broken(toy(ONE)), tmp_path / "t.parquet"
    with pytest.raises(UserError, match=message):
        TABLE.write(table, path)
    assert not path.exists()
    if message != "id":  # Parquet itself refuses a column twice
        pq.write_table(table, path)
        with pytest.raises(UserError, match=message) as error:
            TABLE.read(path)
        assert str(path) in str(error.value)


def test_a_key_of_several_columns_is_unique_as_a_whole():
    table = Table("pair", (Column("a", pa.int64(), "a"), Column("b", pa.int64(), "b")), key=("a", "b"))
    table.check(pa.table({"a": [1, 1], "b": [1, 2]}), "here")
    with pytest.raises(UserError, match=r"here: table pair: 1 values of a\+b occur twice"):
        table.check(pa.table({"a": [1, 1], "b": [2, 2]}), "here")


def parquet_bytes(tmp_path: Path) -> bytes:
    TABLE.write(toy(*((i, "text " * 50, None, i / 7, i) for i in range(500))), tmp_path / "whole.parquet")
    return (tmp_path / "whole.parquet").read_bytes()


GARBAGE = {
    "empty.parquet": lambda whole: b"",
    "text.parquet": lambda whole: b"hello",
    "cut.parquet": lambda whole: whole[: len(whole) // 2],
    "no-start.parquet": lambda whole: whole[len(whole) // 2 :],
    "bad-footer.parquet": lambda whole: whole[:-200] + b"\xff" * 192 + whole[-8:],
    "bad-body.parquet": lambda whole: whole[:4] + b"\xff" * 400 + whole[404:],
    "empty.arrow": lambda whole: b"",
    "text.arrow": lambda whole: b"hello",
    "parquet.arrow": lambda whole: whole,
    "empty.csv": lambda whole: b"",
    "header.csv": lambda whole: b"id,text\n1,a\n",
    "ragged.csv": lambda whole: b"id,text,remark,value,small\n1,a\n",
    "not-a-number.csv": lambda whole: b'id,text,remark,value,small\none,"a",,,\n',
    "bytes.csv": lambda whole: b"id,text,remark,value,small\n1,\xff\xfe,,,\n",
    "binary.csv": lambda whole: bytes(range(256)) * 4,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_reported_with_the_name_of_the_file(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(GARBAGE[name](parquet_bytes(tmp_path)))
    with pytest.raises(UserError) as error:
        TABLE.read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_every_declared_table_can_be_written_empty_and_explains_its_columns(table, tmp_path):
    assert len({c.name for c in table.columns}) == len(table.columns) and set(table.key) <= set(table.schema.names)
    assert all(len(c.meaning) > 2 for c in table.columns)
    table.write(table.schema.empty_table(), tmp_path / "t.parquet")
    assert table.read(tmp_path / "t.parquet").num_rows == 0


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_arrow_file_is_reported_with_its_name(kept, tmp_path):
    path = tmp_path / "cut.arrow"
    TABLE.write(toy(*((i, "text", None, i / 7, i) for i in range(500))), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(UserError, match=r"cut\.arrow: not a readable toy table"):
        TABLE.read(path)


def test_names_of_tables_are_unique():
    assert package and len({t.name for t in ALL}) == len(ALL) > 15


def test_times_survive_both_formats(tmp_path):
    table = Table("times", (Column("id", pa.int64(), "row"), Column("at", extract.TIME, "a time", nullable=True)))
    rows = pa.table({"id": [1, 2], "at": pa.array([dt.datetime(2164, 10, 23, 21, 10, 15), None], extract.TIME)})
    for suffix in (".parquet", ".csv", ".arrow"):
        table.write(rows, tmp_path / f"t{suffix}")
        assert table.read(tmp_path / f"t{suffix}").to_pylist() == rows.to_pylist()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_selected_columns_keep_their_checks(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    TABLE.write(toy(ONE, (2, "b", None, None, None)), path)
    assert TABLE.read(path, columns=("text", "id")).to_pylist() == [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
    assert TABLE.read(path, columns=("small",)).column_names == ["small"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_file_comes_in_batches_of_its_rows(size, tmp_path):
    rows = [(n, f"text {n}", None, n / 2, None) for n in range(5)]
    TABLE.write(toy(*rows), tmp_path / "t.parquet")
    batches = list(TABLE.read_batches(tmp_path / "t.parquet", TABLE.schema.names, size))
    assert [b.num_rows for b in batches] == [min(size, 5 - start) for start in range(0, 5, size)]
    assert [r for b in batches for r in b.to_pylist()] == toy(*rows).to_pylist()
    rows = [r for b in TABLE.read_batches(tmp_path / "t.parquet", ("value", "id"), size) for r in b.to_pylist()]
    assert rows == [{"id": n, "value": n / 2} for n in range(5)]


def test_a_key_is_checked_only_if_it_is_read(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.concat_tables([toy(ONE), toy(ONE)]), path)
    with pytest.raises(UserError, match="1 values of id occur twice"):
        TABLE.read(path, columns=("id", "text"))
    assert TABLE.read(path, columns=("text",)).num_rows == 2


def test_columns_of_an_arrow_file_are_views_into_the_mapped_file(tmp_path):
    path = tmp_path / "t.arrow"
    table = Table(
        "wide", (Column("id", pa.int64(), "row"), Column("values", pa.list_(pa.float32()), "numbers")), ("id",)
    )
    table.write(pa.table({"id": [1, 2], "values": pa.array([[0.5] * 500_000] * 2, pa.list_(pa.float32()))}), path)
    before = pa.total_allocated_bytes()
    columns = table.read(path)
    assert pa.total_allocated_bytes() - before < 10_000 and columns["values"].nbytes > 4_000_000
    view = columns["values"].chunk(0).values.to_numpy()
    assert not view.flags.writeable and view.sum() == 500_000


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@settings(max_examples=50)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 8), max_size=3).map(sorted))
def test_pieces_make_the_same_table(suffix, rows, cuts, tmp_path_factory):
    path, table = tmp_path_factory.mktemp("pieces") / f"t{suffix}", toy(*rows)
    with TABLE.writer(path) as out:
        for start, end in zip([0, *cuts], [*cuts, 8], strict=True):
            out.write(table.slice(start, end - start))
    assert TABLE.read(path).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_piece_may_be_a_batch_and_its_columns_in_any_order(suffix, tmp_path):
    with TABLE.writer(tmp_path / f"t{suffix}") as out:
        for batch in toy(ONE, (2, "b", "c", None, None)).select(TABLE.schema.names[::-1]).to_batches(max_chunksize=1):
            out.write(batch)
    assert TABLE.read(tmp_path / f"t{suffix}")["id"].to_pylist() == [1, 2]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_no_piece_makes_an_empty_table(suffix, tmp_path):
    with TABLE.writer(tmp_path / f"t{suffix}"):
        pass
    assert TABLE.read(tmp_path / f"t{suffix}").schema.names == TABLE.schema.names


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_piece_that_does_not_fit_is_an_error(suffix, broken, message, tmp_path):
    with pytest.raises(UserError, match=message), TABLE.writer(tmp_path / f"t{suffix}") as out:
        out.write(toy((2, "b", None, None, None)))
        out.write(broken(toy(ONE)))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_key_that_two_pieces_share_is_an_error(suffix, tmp_path):
    with pytest.raises(UserError, match="1 values of id occur twice"), TABLE.writer(tmp_path / f"t{suffix}") as out:
        out.write(toy(ONE))
        out.write(toy(ONE))


def test_the_error_that_stops_writing_is_reported(tmp_path):
    with pytest.raises(ZeroDivisionError), TABLE.writer(tmp_path / "t.parquet") as out:
        out.write(toy(ONE))
        out.write(toy(ONE))
        raise ZeroDivisionError


def test_pieces_may_have_different_dictionaries(tmp_path):
    path = tmp_path / "events.parquet"
    with extract.EVENTS.writer(path) as out:
        for name in ("pH", "Glucose"):
            rows = [{"stay_id": 1, "hours": 1.0, "variable": name, "value": 7.0, "text": None}]
            out.write(pa.Table.from_pylist(rows).cast(extract.EVENTS.schema))
    assert extract.EVENTS.read(path)["variable"].to_pylist() == ["pH", "Glucose"]
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"


def test_batches_contain_the_selected_columns_and_are_checked(tmp_path):
    path = tmp_path / "t.parquet"
    TABLE.write(toy(*((i, "a", None, None, None) for i in range(5))), path)
    batches = list(TABLE.read_batches(path, ("text", "id"), rows=2))
    assert [b["id"].to_pylist() for b in batches] == [[0, 1], [2, 3], [4]] and batches[0].schema.names == ["id", "text"]
    with pytest.raises(UserError, match=r"t.parquet: table other lacks columns \['count'\]"):
        list(Table("other", (Column("count", pa.int64(), "count"),)).read_batches(path, ("count",)))


@pytest.mark.parametrize("name", [n for n in GARBAGE if n.endswith(".parquet")])
def test_batches_of_garbage_are_reported_with_the_name_of_the_file(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(GARBAGE[name](parquet_bytes(tmp_path)))
    with pytest.raises(UserError, match=name):
        list(TABLE.read_batches(path, TABLE.schema.names))
