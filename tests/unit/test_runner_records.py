"""The check before and after each run: what Snakemake does not see, and the command that repairs it."""

import os
import shutil
import time
from pathlib import Path

import pytest
import tiny_tree
from tiny_tree import make, write

from clinragen.audit.verify import TOUCHED_NS
from clinragen.provenance.digest import runtime_digest
from clinragen.provenance.record import record_path
from clinragen.runner.records import check_tree, report_after_run, warn_before_run

TREE, STAYS, MODEL, TABLE = Path("results/x"), "results/x/stays", "results/x/model", "results/x/tables/table.csv"
LINEAGE = "results/x/audit/lineage.csv"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_tree.build()
    make(LINEAGE, "audit_lineage", [TABLE])


def touched(path: str, text: str) -> None:
    write(path, text)
    later = record_path(Path(path)).stat().st_mtime_ns + TOUCHED_NS + 1
    os.utime(path, ns=(later, later))


def test_nothing_is_said_of_a_tree_that_matches_its_records():
    lines, root = check_tree(TREE)
    assert lines == [] and len(root) == 64


def test_nothing_is_said_before_the_first_complete_run():
    Path(LINEAGE).unlink()
    Path(STAYS).unlink()
    assert check_tree(TREE) == ([], None)


@pytest.mark.parametrize(
    ("damage", "expected", "again"),
    [
        (lambda: Path(STAYS).unlink(), f"missing: {STAYS}: its record exists, the output does not", STAYS),
        (lambda: write(STAYS, "short"), f"edited: {STAYS}: its content differs from its record", STAYS),
        (lambda: touched(STAYS, Path(STAYS).read_text().swapcase()), f"edited: {STAYS}: its content", STAYS),
        (lambda: Path(f"{MODEL}/weights").unlink(), f"edited: {MODEL}: its content", MODEL),
        (lambda: write(f"{MODEL}/more"), f"edited: {MODEL}: its content", MODEL),
        (lambda: shutil.rmtree(MODEL), f"missing: {MODEL}: its record exists", MODEL),
        (lambda: record_path(Path(STAYS)).unlink(), f"missing: {STAYS}: its record is missing", STAYS),
        (lambda: record_path(Path(STAYS)).write_text("{"), f"corrupt: {STAYS}: ", STAYS),
        (lambda: record_path(Path(LINEAGE)).unlink(), f"corrupt: {LINEAGE}: its record is missing", LINEAGE),
        (lambda: make(MODEL + "2", "train_phase1", []) or shutil.copy(
            record_path(Path(MODEL + "2")), record_path(Path(MODEL))
        ), f"corrupt: {MODEL}: its record describes {MODEL}2", MODEL),
    ],
)  # fmt: skip
def test_damage_that_snakemake_does_not_see_is_named_with_the_repair(damage, expected, again):
    damage()
    (problem, repair), _ = check_tree(TREE)
    assert problem.startswith(expected)
    assert repair == f"repair with: snakemake all <options of this run> --forcerun {again}"


def test_resources_come_back_from_git_and_strangers_are_only_named():
    write("resources/another.csv")
    Path("resources/names.csv").unlink()
    write("results/x/by hand.csv")
    make(TABLE, "evaluate_scores", [MODEL, "resources/another.csv", "results/x/by hand.csv"])
    make(LINEAGE, "audit_lineage", [TABLE])
    Path("resources/another.csv").unlink()
    lines, _ = check_tree(TREE)
    assert f"untracked: results/x/by hand.csv: has no record, and {TABLE} was made from it" in lines
    assert [line for line in lines if "repair" in line] == ["repair with: git checkout resources/another.csv"]


def test_a_resource_is_no_stranger_wherever_records_are():
    Path("resources/.records").mkdir()
    assert check_tree(TREE)[0] == []


def test_stale_outputs_are_counted_only_because_snakemake_reruns_most_of_them():
    make(STAYS, "extract_stays", ["raw/a.csv"], "other")
    assert check_tree(TREE)[0] == [
        "1 outputs are stale by their records; `make why` says why, even where no job would run"
    ]


def test_it_takes_well_under_a_second_for_hundreds_of_outputs():
    names = [f"results/x/many/{n}" for n in range(300)]
    for name in names:
        make(name, "extract_stays", ["raw/a.csv"], runtime_digest=runtime_digest())
    make(LINEAGE, "audit_lineage", names)
    started = time.process_time()
    assert check_tree(TREE)[0] == []
    assert time.process_time() - started < 1.5


def test_what_is_printed_before_and_after_a_run(capsys):
    Path(STAYS).unlink()
    warn_before_run(TREE)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(line.startswith("results/x: ") for line in said)
    tiny_tree.build()
    report_after_run(TREE)
    assert capsys.readouterr().err.splitlines()[-1] == f"results/x: root of the records: {check_tree(TREE)[1]}"
