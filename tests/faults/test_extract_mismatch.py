"""Raw tables that are well-formed but do not belong together, through the real scripts: a clear error."""

import json
from collections.abc import Callable

import pytest
from extract_runs import assert_refused, good_directory, good_rows, run_extract, write_release
from raw_folders import STAY, patient, stay, write_raw

from clinragen.registry.raw import raw_path
from clinragen.schemas.extract import RELEASE


def test_another_release_is_refused_by_the_numbers_of_rows(tmp_path):
    directory = good_directory(tmp_path, "mimic4")
    path = raw_path("mimic4", directory / "raw", "patients")
    found = "2 patients and 2 ICU stays, matching no known release"
    expected = "datasets.mimic4.release is 3.1, which has 364627 patients and 94458 ICU stays"
    assert_refused(
        run_extract("extract_stays", "mimic4", directory, release="3.1"), directory, str(path), found, expected
    )
    unknown = run_extract("extract_stays", "mimic4", directory, release="2.9")
    assert_refused(unknown, directory, "unknown release '2.9'; known releases: ")


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
    directory = good_directory(tmp_path, dataset, PATIENTS)
    settings = {"repairs": json.dumps({"unlisted_codes": True})} if step == "diagnoses" else {}
    path = write_raw(directory / "raw", dataset, table, change(good_rows(dataset, PATIENTS)[table]))
    assert_refused(run_extract(f"extract_{step}", dataset, directory, **settings), directory, str(path), words)


ROWS_OF_TABLES = [
    ("events", "chartevents", 758355),
    ("events", "labevents", 76074),
    ("diagnoses", "diagnoses_icd", 1761),
]


@pytest.mark.parametrize(("step", "table", "rows"), ROWS_OF_TABLES)
def test_a_table_with_other_numbers_of_rows_than_its_release_is_refused(step, table, rows, tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    for name, count in (("chartevents", 758355), ("labevents", 76074)):
        if name not in (table, "diagnoses_icd") and step == "events":
            write_raw(directory / "raw", "mimic3", name, [{"itemid": 1}] * count)
    write_release(directory, "mimic3", "demo 1.4")
    path, words = (
        raw_path("mimic3", directory / "raw", table),
        f"rows, but {rows} in release demo 1.4: it is cut, doubled or",
    )
    remedy = "set datasets.mimic3.release to any if you changed it on purpose"
    assert_refused(run_extract(f"extract_{step}", "mimic3", directory), directory, str(path), words, remedy)


def test_tables_of_any_release_are_not_compared_with_one(tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    write_raw(directory / "raw", "mimic3", "patients", [patient("mimic3", n) for n in range(1, 101)])
    write_raw(directory / "raw", "mimic3", "icustays", [stay("mimic3", 1, 10, n) for n in range(1, 137)])
    refused = run_extract("extract_stays", "mimic3", directory)
    assert_refused(refused, directory, "ADMISSIONS.csv.gz has 2 rows, but 129 in release demo 1.4", "release to any")
    done = run_extract("extract_stays", "mimic3", directory, release="any")
    assert done.returncode == 0, done.stderr
    assert RELEASE.read(directory / "results" / "release.csv")["release"].to_pylist() == [None]
