"""Raw files as relations: what a bad row leaves in the error, and that none is skipped."""

import gzip
from functools import partial
from pathlib import Path

import pytest

from clinragen.errors import UserError
from clinragen.extract.sources import RawTables
from clinragen.provenance.record import write_record
from clinragen.registry.raw import DECLARATION, table_of

SECRET = "Mr. Planted"
GOOD = b"1,a,b\n" * 2000  # more than what is read for the header


def opened(directory: Path, data: bytes, name: str = "NOTEEVENTS.csv.gz") -> RawTables:
    path = directory / name
    path.write_bytes(gzip.compress(data, mtime=0) if name.lower().endswith(".gz") else data)
    return RawTables([path], memory_limit_mb=200, threads=1)


BAD_ROWS = {
    "too many fields": (f"7,{SECRET},x,y\n", "line 2002, Expected Number of Columns: 3 Found: 4"),
    "too few fields": (f"7,{SECRET}\n", "line 2002, Expected Number of Columns: 3 Found: 2"),
    "an open quote": (f'7,"{SECRET},x\n', "line 2002, Value with unterminated quote"),
    "a quote in the middle": (f'7,"a" {SECRET},x\n', "line 2002, Value with unterminated quote"),
    "no UTF-8": (f"7,{SECRET}\udcff,x\n", "line 2002, Invalid unicode"),
    "a text where a number belongs": (f"{SECRET},a,b\n", "line 2002, column row_id"),
    "over several lines": (f'7,"x\n{SECRET}",x,y\n', "Expected Number of Columns: 3 Found: 4"),
    "a row that speaks as DuckDB": (
        f'7,"\nColumn Planted is being converted as type x\nCSV Error on Line: 9 {SECRET}",x,y\n',
        "line 2002",
    ),
}


@pytest.mark.parametrize("name", ["NOTEEVENTS.csv.gz", "noteevents.csv"])
@pytest.mark.parametrize(("row", "message"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_reported_by_its_line_and_never_quoted(row, message, name, tmp_path):
    data = b"row_id,text,rest\n" + GOOD + row.encode(errors="surrogateescape") + GOOD
    with pytest.raises(UserError) as error:
        opened(tmp_path, data, name).query("SELECT row_id::BIGINT AS n, text, rest FROM raw_noteevents")
    assert "Planted" not in repr(error.value)
    assert message in str(error.value) and str(tmp_path / name) in str(error.value)


def test_a_text_that_a_later_step_cannot_read_as_a_number_is_not_quoted(tmp_path):
    raw = opened(tmp_path, f"row_id,text,rest\n7,{SECRET},x\n".encode())
    raw.run("CREATE TABLE kept AS SELECT * FROM raw_noteevents")
    for wanted in ("text::BIGINT", "text::TIMESTAMP", "(text || '9')::DOUBLE"):
        with pytest.raises(UserError) as error:
            raw.query(f"SELECT {wanted} FROM kept")
        assert "Planted" not in str(error.value)


FORMS = {
    "as it is": lambda data: data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "quoted, lower case header": lambda data: data.replace(b"ROW_ID,TEXT", b'"row_id","text"'),
    "no last newline": lambda data: data[:-1],
}


@pytest.mark.parametrize("name", ["NOTEEVENTS.csv.gz", "noteevents.csv"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_forms_in_which_a_file_may_come(form, name, tmp_path):
    data = b'ROW_ID,TEXT\n1,"a ""word"", and\nmore"\n2,\n3,""\n'
    rows = opened(tmp_path, form(data), name).query("SELECT row_id, text FROM raw_noteevents").to_pylist()
    text = 'a "word", and\r\nmore' if b"\r" in form(data) else 'a "word", and\nmore'
    assert [r["row_id"] for r in rows] == ["1", "2", "3"]
    assert [r["text"] for r in rows] == [text, None, None]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n1,2\n", "cannot be read: its header is empty"),
        (b"a,a\n1,2\n", "cannot be read: its header is empty or names a column twice"),
        (b"gr\xf6\xdfe,b\n", "cannot be read: its header is not CSV in UTF-8"),
    ],
)
def test_a_file_without_a_usable_header_is_named(data, words, tmp_path):
    with pytest.raises(UserError, match=rf"NOTEEVENTS\.csv\.gz {words}"):
        opened(tmp_path, data)


@pytest.mark.parametrize("name", ["LABEVENTS.csv.gz", "labevents.csv", "LABEVENTS.CSV.GZ"])
def test_a_statement_counts_all_rows_that_it_reads(name, tmp_path):
    # DuckDB must not shorten the path in its profile.
    directory = tmp_path / "a 'quoted' \"name\"" / ("long" * 50) / ("longer" * 30)
    directory.mkdir(parents=True)
    raw = opened(directory, b"row_id,text,rest\n" + GOOD, name)
    counts = raw.run_and_count("CREATE TABLE kept AS SELECT * FROM raw_labevents WHERE row_id = '7'")
    assert counts == {"labevents": 2000} and raw.row("SELECT count(*) FROM kept") == (0,)


def test_a_table_with_other_rows_than_its_release_is_refused(tmp_path):
    raw = opened(tmp_path, b"row_id,text,rest\n" + GOOD)
    check = partial(raw.check_rows, {"noteevents": 60})
    check()  # of no known release
    raw.expect_release("mimic3", "1.4", DECLARATION)
    words = r"NOTEEVENTS\.csv\.gz has 60 rows, but 2083180 in release 1\.4: .*datasets\.mimic3\.release to any"
    with pytest.raises(UserError, match=words):
        check()
    write_record(tmp_path / "NOTEEVENTS.csv.gz", {})  # made by the workflow, as synthetic notes are
    check()


def test_a_table_that_covers_under_half_of_the_cohort_is_refused(tmp_path):
    raw = opened(tmp_path, b"row_id,text,rest\n" + GOOD)
    raw.check_coverage("noteevents", 10, 20)
    raw.check_coverage("noteevents", 0, 9)  # too few to show anything
    with pytest.raises(UserError, match=r"NOTEEVENTS\.csv\.gz has rows for only 9 of the 20 stays of the cohort"):
        raw.check_coverage("noteevents", 9, 20)


# The comments of laboratory values are not expected to have many lines; where they do, the file is read once more.
@pytest.mark.parametrize("name", ["NOTEEVENTS.csv.gz", "noteevents.csv", "labevents.csv"])
def test_texts_of_many_lines_are_read_beyond_the_first_megabytes(name, tmp_path):
    # Every line of a text looks like a row of the file.
    text = "".join(f"line {n}, with two, commas\n" for n in range(400))
    rows = 3000
    data = "row_id,text,rest\n" + "".join(f'{n},"{n} {text[n % 50 :]}",x\n' for n in range(rows))
    assert len(data) > 24_000_000
    path = tmp_path / name
    path.write_bytes(gzip.compress(data.encode(), 1) if name.endswith(".gz") else data.encode())
    raw = RawTables([path], memory_limit_mb=600, threads=2)
    length = sum(len(f"{n} {text[n % 50 :]}") for n in range(rows))
    assert raw.row(f"SELECT count(*), sum(length(text)), max(row_id::BIGINT) FROM raw_{table_of(path)}") == (
        rows,
        length,
        rows - 1,
    )
