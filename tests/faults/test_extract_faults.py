"""Bad raw files, full disks and doubled runs, through the real scripts: a clear error and nothing half-written."""

import bz2
import gzip
import json
import lzma
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_folders import DECLARATION, RESOURCES, STAY, admission, patient, stay, write_raw
from runs import ROOT, copy_of_checkout, overlay
from step_script import SCRIPTS, left_over, run_step, start_step

from clinragen.registry.raw import problems_of_file, raw_path
from clinragen.schemas.extract import ATTRITION, RELEASE, STAYS

# Content of damaged rows, which no message may repeat.
SECRET = "Planted Patient"
BOTH = ("mimic3", "mimic4")
TABLES = {
    "extract_stays": ("icustays", "admissions", "patients"),
    "extract_diagnoses": ("diagnoses_icd", "d_icd_diagnoses"),
    "extract_events": ("chartevents", "labevents"),
    "extract_notes": ("noteevents",),
}
HEART_RATE = {"mimic3": 211, "mimic4": 220045}
REPAIRS = ("admission_by_time", "own_stay_only", "blood_only", "numbers_only", "largest_number", "fio2_by_value",
           "heights_unrounded", "plausible_only")  # fmt: skip
SETTINGS = {
    "extract_stays": {"cohort": {"min_age": 18, "exclude_transfers": True, "one_stay_per_admission": True}},
    "extract_diagnoses": {"repairs": {"unlisted_codes": False}},
    "extract_events": {"repairs": dict.fromkeys(REPAIRS, True)},
    "extract_notes": {"settings": {"addenda": False}},
}
ROWS = {"extract_stays": 2, "extract_diagnoses": 2, "extract_events": 8, "extract_notes": 2}


def chart(dataset: str, subject: int, itemid: int, value: str, **values: object) -> dict:
    row = {"subject_id": subject, "hadm_id": subject * 10, STAY[dataset]: subject * 100, "itemid": itemid,
           "charttime": "2100-01-01 13:00:00", "value": value}  # fmt: skip
    return row | values


def good_rows(dataset: str, patients: int = 2) -> dict[str, list[dict]]:
    """Patients with all that the steps read of them."""
    code = {"icd9_code": "4019"} if dataset == "mimic3" else {"icd_code": "4019", "icd_version": 9}
    note = (
        {"chartdate": "2100-01-05", "category": "Discharge summary", "description": "Report"}
        if dataset == "mimic3"
        else {"note_type": "DS", "note_seq": 1}
    )
    name = {"mimic3": "row_id", "mimic4": "note_id"}[dataset]
    hours = [f"2100-01-01 {hour}:00:00" for hour in (13, 14, 15)]
    rows: dict[str, list[dict]] = {table: [] for tables in TABLES.values() for table in tables}
    for n in range(1, patients + 1):
        rows["patients"].append(patient(dataset, n))
        rows["admissions"].append(admission(n, n * 10))
        rows["icustays"].append(stay(dataset, n, n * 10, n * 100))
        rows["diagnoses_icd"].append({"subject_id": n, "hadm_id": n * 10, "seq_num": 1, **code})
        rows["chartevents"] += [chart(dataset, n, HEART_RATE[dataset], "80", charttime=hour) for hour in hours]
        lab = chart(dataset, n, 50931, "120")
        rows["labevents"].append({k: v for k, v in lab.items() if k != STAY[dataset]})
        rows["noteevents"].append({name: n, "subject_id": n, "hadm_id": n * 10, "text": SECRET, **note})
    rows["d_icd_diagnoses"] = [code]
    return rows


def good_folder(folder: Path, dataset: str, patients: int = 2) -> Path:
    """The raw tables, and the stays and the release that the later steps read."""
    for table, rows in good_rows(dataset, patients).items():
        write_raw(folder / "raw", dataset, table, rows)
    write_release(folder, dataset, None)
    times = {"intime": "2100-01-01 12:00:00", "outtime": "2100-01-02 12:00:00"}
    one = {"los_hours": 24.0, "age": 50.0, "gender": "F"}
    ids = [{"subject_id": n, "hadm_id": n * 10, "stay_id": n * 100} for n in range(1, patients + 1)]
    table = pa.Table.from_pylist([row | times | one for row in ids])
    for column in times:
        position = table.column_names.index(column)
        table = table.set_column(position, column, pa.compute.strptime(table[column], "%Y-%m-%d %H:%M:%S", "s"))
    STAYS.write(table, folder / "stays.parquet")
    return folder


def write_release(folder: Path, dataset: str, release: str | None) -> None:
    """The output of extract_stays that says which release the raw tables are."""
    row = {"dataset": dataset, "release": release, "patients": 100, "icustays": 136}
    RELEASE.write(pa.Table.from_pylist([row], schema=RELEASE.schema), folder / "release.csv")


def arguments(step: str, dataset: str, folder: Path, memory_limit_mb: int = 600, **others: object) -> list:
    """The command line of a step, as its rule writes it; outputs go to the folder `results`."""
    raw = [raw_path(dataset, folder / "raw", table) for table in TABLES[step]]
    values = {"dataset": dataset, "memory_limit_mb": memory_limit_mb, "threads": 1, "stays": folder / "stays.parquet"}
    values |= {"raw_tables": RESOURCES / "raw_tables.yaml"}
    if step == "extract_events":
        values |= {"items": RESOURCES / "items.csv", "variables": RESOURCES / "variables.csv"}
    if step == "extract_stays":
        values |= {"release": "", "counted": folder / "results" / "release.csv"}
    else:
        values |= {"release": folder / "release.csv"}
    out = step.removeprefix("extract_")
    values |= {out: folder / "results" / f"{out}.parquet", "attrition": folder / "results" / "attrition.csv"}
    values |= {name: json.dumps(v) for name, v in SETTINGS[step].items()} | others
    return ["--raw", *raw, *(word for name, v in values.items() for word in ("--" + name.replace("_", "-"), v))]


def run_extract(step: str, dataset: str, folder: Path, **options: object) -> subprocess.CompletedProcess:
    """Run a step; what it spills goes to a folder that must be empty afterwards."""
    (folder / "spill").mkdir(exist_ok=True)
    process = {k: options.pop(k) for k in ("preexec_fn",) if k in options}
    environment = {"TMPDIR": str(folder / "spill")}
    return run_step(
        SCRIPTS / f"{step}.py", *arguments(step, dataset, folder, **options), environment=environment, **process
    )


def assert_refused(done: subprocess.CompletedProcess, folder: Path, *words: str) -> None:
    """Exit status 2, the words and no more than words, and nothing left behind."""
    assert done.returncode == 2, done.stderr
    error = done.stderr.splitlines()[-1]
    assert "ERROR step: " in error and "Traceback" not in done.stderr
    for word in words:
        assert word in error, error
    assert "Planted" not in done.stderr + done.stdout
    assert [p for p in (folder / "results").rglob("*") if p.is_file()] == []
    assert list((folder / "spill").iterdir()) == []


def whole(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def pack(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(errors="surrogateescape"), mtime=0))


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
    folder = good_folder(tmp_path, dataset)
    path = raw_path(dataset, folder / "raw", table)
    lines = len(whole(path).splitlines())
    change, told = DAMAGES[damage]
    change(path, COLUMN[table])
    done = run_extract(step, dataset, folder)
    others = [str(raw_path(dataset, folder / "raw", t)) for t in TABLES[step] if t != table]
    assert not any(other in done.stderr.splitlines()[-1] for other in others), "only the file at fault is named"
    assert_refused(done, folder, str(path), told.format(column=COLUMN[table], line=lines, after=lines + 1))


# Step, dataset, table, column, what its last row says, what is told.
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


@pytest.mark.parametrize(("step", "dataset", "table", "column", "value", "told"), CELLS, ids=lambda v: v[:20])
def test_a_wrong_value_is_refused_by_its_place(step, dataset, table, column, value, told, tmp_path):
    folder = good_folder(tmp_path, dataset)
    path = raw_path(dataset, folder / "raw", table)
    pack(path, cell(whole(path), column, value))
    done = run_extract(step, dataset, folder)
    lost = "stays have no row" in told
    assert_refused(done, folder, str(raw_path(dataset, folder / "raw", "icustays") if lost else path), told)


def test_another_release_is_refused_by_the_numbers_of_rows(tmp_path):
    folder = good_folder(tmp_path, "mimic4")
    path = raw_path("mimic4", folder / "raw", "patients")
    found = "2 patients and 2 ICU stays, matching no known release"
    expected = "datasets.mimic4.release is 3.1, which has 364627 patients and 94458 ICU stays"
    assert_refused(run_extract("extract_stays", "mimic4", folder, release="3.1"), folder, str(path), found, expected)
    unknown = run_extract("extract_stays", "mimic4", folder, release="2.9")
    assert_refused(unknown, folder, "unknown release '2.9'; known releases: 2.2, 3.1, demo 2.2, any")


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
    folder = good_folder(tmp_path, "mimic3")
    change, words = FORMS[form]
    path = change(raw_path("mimic3", folder / "raw", "diagnoses_icd"))
    (line,) = problems_of_file("mimic3", "diagnoses_icd", path)
    assert str(path) in line
    done = run_extract("extract_diagnoses", "mimic3", folder)
    assert_refused(done, folder, str(path), words)
    assert words in line


def test_bytes_after_the_end_of_a_large_gzip_are_refused_by_the_step(tmp_path):
    folder = good_folder(tmp_path, "mimic3")
    rows = [chart("mimic3", n % 2 + 1, HEART_RATE["mimic3"], str(n)) for n in range(20_000)]
    path = write_raw(folder / "raw", "mimic3", "chartevents", rows)
    path.write_bytes(path.read_bytes() + b"more")
    assert_refused(
        run_extract("extract_events", "mimic3", folder), folder, str(path), "it is cut, corrupted or has extra"
    )


PATIENTS = 12


def others(rows: list[dict]) -> list[dict]:
    """The same rows of patients that are not in the cohort."""
    keys = {"subject_id", "hadm_id", *STAY.values()}
    return [{k: int(v) + 500_000 if k in keys and v else v for k, v in row.items()} for row in rows]


def with_codes(*codes: str, version: int = 9) -> Callable[[list[dict]], list[dict]]:
    def change(rows: list[dict]) -> list[dict]:
        return [
            row | ({"icd9_code": code} if "icd9_code" in row else {"icd_code": code, "icd_version": version})
            for code in codes
            for row in rows
        ]

    return change


def hourly(rows: list[dict]) -> list[dict]:
    """A hundred different measurements of each patient."""
    first = {row["subject_id"]: row for row in rows}.values()
    return [row | {"charttime": f"2100-01-01 {13 + n // 60}:{n % 60:02}:00"} for row in first for n in range(100)]


# Tables that are well-formed, but wrong: step, dataset, table, its rows, words of the message.
MISMATCHES = {
    "charts of other patients": ("events", "mimic3", "chartevents", others, "rows for only 0 of the 12 stays"),
    "charts cut at a row end": ("events", "mimic4", "chartevents", lambda r: r[:15], "rows for only 5 of the 12 stays"),
    "charts of other times": (
        "events",
        "mimic4",
        "chartevents",
        lambda r: [row | {"charttime": "2150-01-01 13:00:00"} for row in r],
        "rows for only 0 of the 12 stays",
    ),
    "charts twice": (
        "events",
        "mimic3",
        "chartevents",
        lambda r: hourly(r) * 2,
        "only 1212 of 2412 measurements are different: rows of a table occur twice",
    ),
    "laboratory of other patients": ("events", "mimic4", "labevents", others, "rows for only 0 of the 12 stays"),
    "codes of other patients": ("diagnoses", "mimic3", "diagnoses_icd", others, "rows for only 0 of the 12 stays"),
    "codes cut at a row end": (
        "diagnoses",
        "mimic4",
        "diagnoses_icd",
        lambda r: r[:5],
        "rows for only 5 of the 12 stays",
    ),
    "codes twice": ("diagnoses", "mimic4", "diagnoses_icd", lambda r: r * 2, "only 12 of 24 rows are different"),
    "ICD-10 as ICD-9": (
        "diagnoses",
        "mimic3",
        "diagnoses_icd",
        with_codes("I10", "J189", "N179"),
        "36 of 36 codes of ICD version 9 do not have the form of that version",
    ),
    "ICD-10 as ICD-9, IV": (
        "diagnoses",
        "mimic4",
        "diagnoses_icd",
        with_codes("I10"),
        "12 of 12 codes of ICD version 9",
    ),
    "ICD-9 as ICD-10": (
        "diagnoses",
        "mimic4",
        "diagnoses_icd",
        with_codes("4019", version=10),
        "12 of 12 codes of ICD version 10",
    ),
    "codes with dots": ("diagnoses", "mimic3", "diagnoses_icd", with_codes("401.9"), "12 of 12 codes of ICD version 9"),
    "codes without leading zeros": (
        "diagnoses",
        "mimic3",
        "diagnoses_icd",
        with_codes(*(str(n) for n in range(4010, 4110))),
        "no ICD-9 code of 1200 begins with 0: leading zeros were removed",
    ),
    "notes of other patients": ("notes", "mimic3", "noteevents", others, "rows for only 0 of the 12 stays"),
    "notes cut at a row end": ("notes", "mimic4", "noteevents", lambda r: r[:5], "rows for only 5 of the 12 stays"),
    "notes twice": ("notes", "mimic4", "noteevents", lambda r: r * 2, "column note_id has 12 values that occur before"),
    "stays reversed": (
        "stays",
        "mimic3",
        "icustays",
        lambda r: [row | {"intime": row["outtime"], "outtime": row["intime"]} for row in r],
        "column outtime is before intime in 12 of 12 rows",
    ),
}


@pytest.mark.parametrize("mismatch", MISMATCHES)
def test_a_table_that_does_not_fit_the_cohort_is_refused(mismatch, tmp_path):
    step, dataset, table, change, words = MISMATCHES[mismatch]
    folder = good_folder(tmp_path, dataset, PATIENTS)
    settings = {"repairs": json.dumps({"unlisted_codes": True})} if step == "diagnoses" else {}
    path = write_raw(folder / "raw", dataset, table, change(good_rows(dataset, PATIENTS)[table]))
    assert_refused(run_extract(f"extract_{step}", dataset, folder, **settings), folder, str(path), words)


ROWS_OF_TABLES = [
    ("events", "chartevents", 758355),
    ("events", "labevents", 76074),
    ("diagnoses", "diagnoses_icd", 1761),
]


@pytest.mark.parametrize(("step", "table", "rows"), ROWS_OF_TABLES)
def test_a_table_with_other_numbers_of_rows_than_its_release_is_refused(step, table, rows, tmp_path):
    folder = good_folder(tmp_path, "mimic3")
    for name, count in (("chartevents", 758355), ("labevents", 76074)):
        if name not in (table, "diagnoses_icd") and step == "events":
            write_raw(folder / "raw", "mimic3", name, [{"itemid": 1}] * count)
    write_release(folder, "mimic3", "demo 1.4")
    path, words = (
        raw_path("mimic3", folder / "raw", table),
        f"rows, but {rows} in release demo 1.4: it is cut, doubled or",
    )
    remedy = "set datasets.mimic3.release to any if you changed it on purpose"
    assert_refused(run_extract(f"extract_{step}", "mimic3", folder), folder, str(path), words, remedy)


def test_tables_of_any_release_are_not_compared_with_one(tmp_path):
    folder = good_folder(tmp_path, "mimic3")
    write_raw(folder / "raw", "mimic3", "patients", [patient("mimic3", n) for n in range(1, 101)])
    write_raw(folder / "raw", "mimic3", "icustays", [stay("mimic3", 1, 10, n) for n in range(1, 137)])
    refused = run_extract("extract_stays", "mimic3", folder)
    assert_refused(refused, folder, "ADMISSIONS.csv.gz has 2 rows, but 129 in release demo 1.4", "release to any")
    done = run_extract("extract_stays", "mimic3", folder, release="any")
    assert done.returncode == 0, done.stderr
    assert RELEASE.read(folder / "results" / "release.csv")["release"].to_pylist() == [None]


@pytest.mark.parametrize("dataset", BOTH)
@pytest.mark.parametrize("step", TABLES)
def test_line_ends_byte_order_marks_and_further_columns_are_no_matter(step, dataset, tmp_path):
    folder = good_folder(tmp_path, dataset)
    paths = [raw_path(dataset, folder / "raw", table) for table in TABLES[step]]
    for path in paths:
        head, *rest = whole(path).splitlines()
        # As some programs write a table: a column more, and one without a name for the number of the row.
        lines = [f",{head},comment", *(f"{n},{line},{SECRET}" for n, line in enumerate(rest))]
        pack(path, "\ufeff" + "".join(f"{line}\r\n" for line in lines))
    done = run_extract(step, dataset, folder)
    assert done.returncode == 0, done.stderr
    written = folder / "results" / f"{step.removeprefix('extract_')}.parquet"
    assert pq.read_metadata(written).num_rows == ROWS[step]
    assert done.stderr.count("known release: unnamed_1, comment") == len(paths) and "Planted" not in done.stderr


# What stands in good files: item, value, unit, its value in the unit of the variable or None, step that drops it.
MISSING, READABLE = "that does not stand for a missing value", "with a readable value"
PLAUSIBLE, STAYED = "within the plausible range", "during the ICU stay"
DIRTY = [
    (211, "88", "bpm", 88, None),
    (618, ">60/minute", "bpm", None, READABLE),
    (51, "80/xx", "mmHg", None, READABLE),
    (211, "NaN", "bpm", None, MISSING),
    (211, "inf", "bpm", None, READABLE),
    (211, "-5", "bpm", None, PLAUSIBLE),
    (211, "9" * 400, "bpm", None, READABLE),
    (455, "9" * 400 + "/80", "mmHg", None, PLAUSIBLE),
    (455, "120/80", "mmHg", 120, "systolic of a pair"),
    (223761, "98.6", "?F", 37, "temperature from Fahrenheit"),
    (3420, "50", "%", 0.5, "oxygen from percent"),
    (834, "0.98", "%", 98, "saturation from a fraction"),
    (226531, "100", "lbs", 45.3592, "weight from pounds"),
    (226707, "70", "in", 177.8, "height from inches"),
    (198, "Planted", "", None, READABLE),
]


def test_dirty_values_are_repaired_or_dropped_and_counted(tmp_path):
    folder = good_folder(tmp_path, "mimic3")
    rows = [chart("mimic3", 1, item, value, valueuom=unit) for item, value, unit, _, _ in DIRTY]
    late = chart("mimic3", 1, 211, "90", charttime="2150-01-01 00:00:00")
    write_raw(folder / "raw", "mimic3", "chartevents", [*rows, late])
    write_raw(folder / "raw", "mimic3", "labevents", [{"itemid": 1}])
    done = run_extract("extract_events", "mimic3", folder)
    assert done.returncode == 0 and "Planted" not in done.stderr, done.stderr
    found = pq.read_table(folder / "results" / "events.parquet")["value"].to_pylist()
    kept = [value for *_, value, _ in DIRTY if value is not None]
    assert sorted(found) == pytest.approx(sorted(kept), rel=1e-6)

    steps = ATTRITION.read(folder / "results" / "attrition.csv").to_pylist()
    left = {s["step"]: s["rows"] for s in steps if s["table"] == "events"}
    dropped = {step: sum(d[4] == step for d in DIRTY) for step in (MISSING, READABLE, PLAUSIBLE)} | {STAYED: 1}
    before = left["rows of the mapped items with a text"]
    assert before == len(DIRTY) + 1
    for step, lost in dropped.items():
        before -= lost
        assert left[step] == before, step
    converted = {s["step"] for s in steps if s["table"] == "conversions" and s["rows"]}
    assert converted == {d[4] for d in DIRTY if d[3] is not None and d[4]}


def limited(size: int) -> Callable[[], None]:
    """For the child: no file may grow beyond so many bytes; such a write fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("step", TABLES)
def test_an_output_that_finds_no_room_is_told_by_its_name(step, tmp_path):
    folder = good_folder(tmp_path, "mimic3")
    done = run_extract(step, "mimic3", folder, preexec_fn=limited(100))
    assert_refused(done, folder, str(folder / "results"), "File too large; free up space and run again")


@pytest.mark.parametrize("step", ["extract_stays", "extract_events"])
def test_two_runs_of_a_step_at_once_end_with_whole_outputs(step, tmp_path):
    folder = good_folder(tmp_path, "mimic3")
    copies = [start_step(SCRIPTS / f"{step}.py", *arguments(step, "mimic3", folder)) for _ in range(2)]
    for copy in copies:
        text, _ = copy.communicate(timeout=60)
        assert copy.returncode == 0, text
    results = folder / "results"
    assert pq.read_table(results / f"{step.removeprefix('extract_')}.parquet").num_rows == ROWS[step]
    assert ATTRITION.read(results / "attrition.csv").num_rows > 0
    assert left_over(results) == [] and all(json.loads(p.read_text()) for p in results.rglob(".records/*.json"))
    assert len(list(results.rglob(".records/*.json"))) == (3 if step == "extract_stays" else 2)


def test_a_second_snakemake_says_that_the_folder_is_locked(tmp_path):
    checkout = copy_of_checkout(tmp_path / "checkout")
    folder = good_folder(tmp_path, "mimic3")
    for table in DECLARATION["mimic3"]["tables"]:
        if not raw_path("mimic3", folder / "raw", table).is_file():
            write_raw(folder / "raw", "mimic3", table, [{}])
    data = {"mimic3": {"raw": str(folder / "raw")}, "mimic4": None}
    config = overlay(tmp_path / "config.yaml", tmp_path / "results", datasets=data)
    target = tmp_path / "results" / "mimic3" / "extract" / "stays.parquet"
    python = ROOT / ".venv" / "bin" / "python"
    command = [str(python), "-m", "snakemake", "--configfile", str(config), "--cores", "1", str(target)]
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    start = {"cwd": checkout, "env": os.environ | path, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    first = subprocess.Popen(command, text=True, **start)
    locks = checkout / ".snakemake" / "locks"
    end = time.monotonic() + 60
    # Snakemake writes the locks of outputs last; it fills a file after making it.
    while not any(lock.stat().st_size for lock in locks.glob("*.output.lock")):
        assert time.monotonic() < end and first.poll() is None, "the first one came to no lock"
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        # The first one's job may have begun: without this, its outputs are refused before the lock is.
        again = [*command, "--rerun-incomplete"]
        second = subprocess.run(again, text=True, timeout=60, check=False, **start)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    text, _ = first.communicate(timeout=120)
    assert second.returncode == 1 and "Directory cannot be locked" in second.stdout
    assert first.returncode == 0, text
    assert STAYS.read(target).num_rows == 2 and left_over(tmp_path / "results") == []
