"""Damaged raw files through the real scripts: an error that names file, line and column, and nothing half-written."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from extract_runs import (
    HEART_RATE,
    SECRET,
    TABLES,
    assert_refused,
    chart,
    good_directory,
    pack,
    run_extract,
    whole,
)
from raw_folders import write_raw

from clinragen.registry.raw import problems_of_file, raw_path


def other_header(text: str, change: Callable[[list[str]], list[str]]) -> str:
    head, rest = text.split("\n", 1)
    return ",".join(change(head.split(","))) + "\n" + rest


def without(text: str, column: str) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    place = rows[0].index(column)
    return "".join(",".join(row[:place] + row[place + 1 :]) + "\n" for row in rows)


# Column of each table that the damages below are done to; it is converted to a number or compared.
COLUMN = {
    "icustays": "hadm_id",
    "patients": "subject_id",
    "diagnoses_icd": "hadm_id",
    "chartevents": "hadm_id",
    "labevents": "hadm_id",
    "noteevents": "hadm_id",
}


def cell(text: str, column: str, value: str) -> str:
    """The file with this value in its last row, which is line 3 of a table of two rows."""
    *lines, last = text.splitlines()
    fields = last.split(",")
    fields[lines[0].split(",").index(column)] = value
    return "\n".join([*lines, ",".join(fields)]) + "\n"


DAMAGES: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "a truncated gzip": (lambda p, c: p.write_bytes(p.read_bytes()[:-12]), "cannot be read: it ends too early"),
    "no gzip": (lambda p, c: p.write_text(whole(p)), "cannot be read: not compressed with gzip"),
    "no bytes": (lambda p, c: p.write_bytes(b""), "is empty; download it again"),
    "a header only": (lambda p, c: pack(p, whole(p).split("\n")[0] + "\n"), "has no rows"),
    "no header": (lambda p, c: pack(p, f"7,{SECRET},8\n" + whole(p).split("\n", 1)[1]), ": missing columns"),
    "a missing column": (lambda p, c: pack(p, without(whole(p), c)), ": missing column {column}"),
    "a renamed column": (
        lambda p, c: pack(p, other_header(whole(p), lambda names: [f"my_{n}" if n == c else n for n in names])),
        ": missing column {column}",
    ),
    "a text as a number": (lambda p, c: pack(p, cell(whole(p), c, SECRET)), "line {line}, column {column}"),
    "a row with a field too much": (lambda p, c: pack(p, whole(p) + f"{SECRET}," * 30 + "\n"), "line {after}"),
    "a row that ends early": (lambda p, c: pack(p, whole(p) + f"{SECRET},1\n"), "line {after}"),
    "no UTF-8": (lambda p, c: pack(p, cell(whole(p), c, f"{SECRET}\udcff")), "line {line}"),
}
TARGETS = [
    ("extract_stays", "mimic3", "icustays"),
    ("extract_notes", "mimic4", "noteevents"),
    *(
        pytest.param(*target, marks=pytest.mark.slow)
        for target in (
            ("extract_stays", "mimic4", "patients"),
            ("extract_diagnoses", "mimic3", "diagnoses_icd"),
            ("extract_events", "mimic3", "chartevents"),
            ("extract_events", "mimic4", "labevents"),
        )
    ),
]


@pytest.mark.parametrize(("step", "dataset", "table"), TARGETS, ids=lambda value: value.removeprefix("extract_"))
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_its_name(damage, step, dataset, table, tmp_path):
    directory = good_directory(tmp_path, dataset)
    path = raw_path(dataset, directory / "raw", table)
    lines = len(whole(path).splitlines())
    change, message = DAMAGES[damage]
    change(path, COLUMN[table])
    done = run_extract(step, dataset, directory)
    others = [str(raw_path(dataset, directory / "raw", t)) for t in TABLES[step] if t != table]
    assert not any(other in done.stderr.splitlines()[-1] for other in others), "only the file at fault is named"
    assert_refused(done, directory, str(path), message.format(column=COLUMN[table], line=lines, after=lines + 1))


# Step, dataset, table, column, what its last row says, words of the message.
CELLS = [
    ("extract_stays", "mimic3", "icustays", "los", SECRET, "line 3, column los"),
    ("extract_stays", "mimic3", "icustays", "icustay_id", SECRET, "line 3, column icustay_id"),
    ("extract_stays", "mimic3", "admissions", "hadm_id", SECRET, "line 3, column hadm_id"),
    ("extract_stays", "mimic3", "icustays", "intime", f"2100-02-31 {SECRET}", "line 3, column intime"),
    ("extract_stays", "mimic3", "icustays", "intime", "2100-02-31 10:00:00", "line 3, column intime"),
    ("extract_stays", "mimic3", "icustays", "intime", "0100-01-01 12:00:00", "column intime is in 1 rows outside"),
    ("extract_stays", "mimic4", "icustays", "outtime", "9100-01-01 12:00:00", "column outtime is in 1 rows outside"),
    ("extract_stays", "mimic3", "patients", "dob", "1000-01-01", "column dob is in 1 rows outside"),
    ("extract_stays", "mimic4", "patients", "anchor_year", "21000", "column anchor_year is in 1 rows outside"),
    ("extract_stays", "mimic4", "patients", "anchor_age", SECRET, "line 3, column anchor_age"),
    (
        "extract_stays",
        "mimic3",
        "icustays",
        "outtime",
        "2099-01-01 12:00:00",
        "outtime is before intime in 1 of 2 rows",
    ),
    ("extract_stays", "mimic3", "patients", "subject_id", "1", "column subject_id has 1 values that occur before"),
    ("extract_stays", "mimic3", "admissions", "hadm_id", "10", "column hadm_id has 1 values that occur before"),
    ("extract_stays", "mimic3", "icustays", "icustay_id", "100", "column icustay_id has 1 values that occur before"),
    ("extract_stays", "mimic4", "icustays", "stay_id", "100", "column stay_id has 1 values that occur before"),
    ("extract_stays", "mimic4", "icustays", "stay_id", "", "column stay_id is empty in 1 of 2 rows"),
    ("extract_stays", "mimic3", "icustays", "hadm_id", "99", "1 stays have no row of the same subject_id and hadm_id"),
    ("extract_stays", "mimic4", "patients", "subject_id", "99", "1 stays have no row of the same subject_id"),
    ("extract_diagnoses", "mimic3", "diagnoses_icd", "seq_num", SECRET, "line 3, column seq_num"),
    ("extract_events", "mimic3", "chartevents", "itemid", SECRET, "line 7, column itemid"),
    ("extract_events", "mimic3", "chartevents", "charttime", SECRET, "line 7, column charttime"),
    ("extract_events", "mimic4", "chartevents", "stay_id", SECRET, "line 7, column stay_id"),
    ("extract_events", "mimic3", "labevents", "charttime", "2100-13-01 13:00", "line 3, column charttime"),
    ("extract_notes", "mimic3", "noteevents", "chartdate", SECRET, "line 3, column chartdate"),
    ("extract_notes", "mimic4", "noteevents", "note_seq", SECRET, "line 3, column note_seq"),
]


@pytest.mark.parametrize(("step", "dataset", "table", "column", "value", "message"), CELLS, ids=lambda v: v[:20])
def test_a_wrong_value_is_refused_by_its_place(step, dataset, table, column, value, message, tmp_path):
    directory = good_directory(tmp_path, dataset)
    path = raw_path(dataset, directory / "raw", table)
    pack(path, cell(whole(path), column, value))
    done = run_extract(step, dataset, directory)
    lost = "stays have no row" in message
    assert_refused(done, directory, str(raw_path(dataset, directory / "raw", "icustays") if lost else path), message)


def save(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    """Save the table under another name, its text changed."""

    def other(path: Path) -> Path:
        new = path.with_name(name)
        data = change(whole(path).encode())
        path.unlink()
        new.write_bytes(data)
        return new

    return other


# Files that are not a CSV in UTF-8, or not under their name, and the remedy in the message.
FORMS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "line ends of CR alone": (
        save("DIAGNOSES_ICD.csv", lambda t: t.replace(b"\n", b"\r")),
        "ends its lines with CR alone",
    ),
    "UTF-16": (save("DIAGNOSES_ICD.csv", lambda t: t.decode().encode("utf-16")), "iconv -f UTF-16 -t UTF-8"),
    "UTF-16, no mark": (
        save("DIAGNOSES_ICD.csv", lambda t: t.decode().encode("utf-16-le")),
        "iconv -f UTF-16 -t UTF-8",
    ),
    "gzip named .csv": (save("DIAGNOSES_ICD.csv", gzip.compress), "rename it to DIAGNOSES_ICD.csv.gz"),
    "bzip2": (save("DIAGNOSES_ICD.csv", bz2.compress), "is a bzip2 file; convert it to .csv or .csv.gz"),
    "xz named .gz": (save("DIAGNOSES_ICD.csv.gz", lzma.compress), "is a xz file; convert it to .csv or .csv.gz"),
    "no bytes": (save("DIAGNOSES_ICD.csv", lambda t: b""), "is empty; download it again"),
    "zero bytes": (save("DIAGNOSES_ICD.csv", lambda t: b"\0" * 5000), "contains only zero bytes; download it again"),
    "semicolons": (
        save("DIAGNOSES_ICD.csv", lambda t: t.replace(b",", b";")),
        "with semicolons; save it again with commas",
    ),
    "tabs": (save("DIAGNOSES_ICD.csv", lambda t: t.replace(b",", b"\t")), "with tabs; save it again with commas"),
    "a web page": (save("DIAGNOSES_ICD.csv", lambda t: b"\n<!DOCTYPE html><html>"), "is a web page, not a table"),
    "bytes after the gzip": (
        save("DIAGNOSES_ICD.csv.gz", lambda t: gzip.compress(t) + b"more"),
        "corrupted gzip data or extra bytes after its end; download it again",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_another_form_is_refused_with_the_remedy_before_and_in_the_step(form, tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    change, words = FORMS[form]
    path = change(raw_path("mimic3", directory / "raw", "diagnoses_icd"))
    (line,) = problems_of_file("mimic3", "diagnoses_icd", path)
    assert str(path) in line
    done = run_extract("extract_diagnoses", "mimic3", directory)
    assert_refused(done, directory, str(path), words)
    assert words in line


def test_bytes_after_the_end_of_a_large_gzip_are_refused_by_the_step(tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    rows = [chart("mimic3", n % 2 + 1, HEART_RATE["mimic3"], str(n)) for n in range(20_000)]
    path = write_raw(directory / "raw", "mimic3", "chartevents", rows)
    path.write_bytes(path.read_bytes() + b"more")
    assert_refused(
        run_extract("extract_events", "mimic3", directory), directory, str(path), "it is cut, corrupted or has extra"
    )
