"""The list of raw files, from records alone."""

import pytest
from raw_folders import admission, open_raw, patient, stay, write_raw

from clinragen.errors import UserError
from clinragen.extract.inventory import list_raw_files
from clinragen.extract.stays import check_release
from clinragen.provenance.record import write_record
from clinragen.registry.raw import DECLARATION, declaration
from clinragen.schemas.extract import INVENTORY, RELEASE


def test_raw_files_are_listed_with_size_hash_and_the_rule_that_read_them(tmp_path):
    used = {
        "stays": ["/a/PATIENTS.csv.gz", "/a/icustays.csv", "resources/items.csv"],
        "notes": ["/b/discharge.csv.gz", "results/mimic4/extract/stays.parquet"],
    }
    for name, paths in used.items():
        inputs = [{"path": p, "bytes": len(p), "sha256": f"hash of {p}"} for p in paths]
        write_record(tmp_path / f"{name}.parquet", {"rule": f"extract_{name}", "inputs": inputs})
    tables = [tmp_path / f"{name}.parquet" for name in used]
    rows = INVENTORY.check(list_raw_files("mimic4", "2.2", tables, DECLARATION), "test").to_pylist()
    assert [(r["table"], r["file"], r["rule"]) for r in rows] == [
        ("icustays", "icustays.csv", "extract_stays"),
        ("noteevents", "discharge.csv.gz", "extract_notes"),
        ("patients", "PATIENTS.csv.gz", "extract_stays"),
    ]
    # The notes of MIMIC-IV are a module with separate releases.
    assert [(r["dataset"], r["release"]) for r in rows] == [("mimic4", "2.2"), ("mimic4", None), ("mimic4", "2.2")]
    assert (rows[1]["bytes"], rows[1]["sha256"]) == (19, "hash of /b/discharge.csv.gz")


def test_what_the_workflow_made_itself_is_of_no_release(tmp_path):
    made = tmp_path / "NOTEEVENTS.csv.gz"
    write_record(made, {"rule": "demo_notes", "inputs": []})
    inputs = [{"path": str(made), "bytes": 1, "sha256": "hash"}]
    write_record(tmp_path / "notes.parquet", {"rule": "extract_notes", "inputs": inputs})
    (row,) = list_raw_files("mimic3", "demo 1.4", [tmp_path / "notes.parquet"], DECLARATION).to_pylist()
    assert (row["file"], row["release"]) == ("NOTEEVENTS.csv.gz", None)


def test_a_table_without_record_is_named(tmp_path):
    with pytest.raises(UserError, match=r"events\.parquet has no provenance record"):
        list_raw_files("mimic3", None, [tmp_path / "events.parquet"], DECLARATION)


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_release_is_the_one_that_has_as_many_rows(dataset, tmp_path, monkeypatch):
    write_raw(tmp_path, dataset, "patients", [patient(dataset, n) for n in (1, 2)])
    write_raw(tmp_path, dataset, "icustays", [stay(dataset, 1, 10, n) for n in (100, 101, 102)])
    write_raw(tmp_path, dataset, "admissions", [admission(1, 10)])
    raw = open_raw(tmp_path, dataset, "patients", "icustays", "admissions")

    def row(release):
        return RELEASE.check(check_release(raw, dataset, release, DECLARATION), "test").to_pylist()[0]

    assert row("") == {"dataset": dataset, "release": None, "patients": 2, "icustays": 3}
    monkeypatch.setitem(
        declaration(DECLARATION)[dataset],
        "releases",
        {"7": {"patients": 2, "icustays": 3}, "8": {"patients": 2, "icustays": 4}},
    )
    assert row("")["release"] == row("7")["release"] == "7"
    with pytest.raises(UserError, match=r"2 patients and 3 ICU stays, matching release 7, .* is 8, which has .* 4 "):
        row("8")
