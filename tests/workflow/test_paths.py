"""Directories with names that a shell would read otherwise: nothing is executed, every path is kept as it is."""

import json

import pyarrow.parquet as pq
from raw_folders import DECLARATION, admission, patient, stay, write_raw
from runs import ROOT, dry_run, overlay, records, snakemake, succeeded

NAME = """it's "a" $HOME `touch executed` $(touch executed); touch executed & #1 *?[x]!~%s|\\ ü 患者"""


def raw_directory(directory):
    """Raw tables of MIMIC-III with the stays of two patients."""
    rows = {
        "patients": [patient("mimic3", n) for n in (1, 2)],
        "admissions": [admission(n, n * 10) for n in (1, 2)],
        "icustays": [stay("mimic3", n, n * 10, n * 100) for n in (1, 2)],
    }
    for table in DECLARATION["mimic3"]["tables"]:
        write_raw(directory, "mimic3", table, rows.get(table, [{}]))
    return directory


def test_a_directory_may_have_any_name(tmp_path):
    raw = raw_directory(tmp_path / NAME / "raw")
    results = tmp_path / NAME / "results"
    tree = overlay(tmp_path / "tree.yaml", results, datasets={"mimic3": {"raw": str(raw)}, "mimic4": None})
    target = results / "mimic3/extract/stays.parquet"
    succeeded(snakemake("--cores", "1", "--configfile", tree, "--", target))
    assert pq.read_table(target)["stay_id"].to_pylist() == [100, 200]
    record = records(results)[str(target)]
    assert [i["path"] for i in record["inputs"]][:3] == [
        str(raw / f"{t}.csv.gz") for t in ("ICUSTAYS", "ADMISSIONS", "PATIENTS")
    ]
    assert (results / "logs/extract_stays/mimic3.log").is_file()
    with (results / "timings/extract_stays/mimic3.jsonl").open(encoding="utf-8") as file:
        assert json.loads(file.readline())["s"] >= 0
    executed = [p for p in (*ROOT.glob("executed*"), *tmp_path.rglob("executed"))]
    assert executed == []
    again = succeeded(dry_run("--configfile", tree, "--", target))
    assert "Nothing to be done" in again
