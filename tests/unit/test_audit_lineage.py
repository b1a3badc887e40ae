"""The table of lineage: complete chains, and why a chain is incomplete."""

import hashlib
import os
from pathlib import Path

import pytest
import tiny_tree
from tiny_tree import MODEL, STAYS, TABLE, made, make

from clinragen.audit.lineage import list_lineage
from clinragen.audit.verify import TOUCHED_NS
from clinragen.errors import UserError
from clinragen.provenance.digest import code_digest
from clinragen.provenance.graph import Graph
from clinragen.provenance.record import describe, record_path, sha256
from clinragen.schemas.audit import LINEAGE

pytestmark = pytest.mark.usefixtures("project")


def lineage(*targets: str) -> tuple[dict[str, dict], list[str]]:
    table, problems, _ = list_lineage([Path(t) for t in targets or [TABLE]])
    rows = {row["output"]: row for row in LINEAGE.check(table, "test").to_pylist()}
    return rows, [str(problem) for problem in problems]


def incomplete(rows: dict[str, dict]) -> set[str]:
    return {name for name, row in rows.items() if not row["complete"]}


def test_a_complete_chain():
    rows, problems = lineage()
    assert problems == [] and list(rows) == [MODEL, STAYS, TABLE]
    assert incomplete(rows) == set()
    assert rows[TABLE] == {
        "output": TABLE,
        "rule": "evaluate_scores",
        "sharing": "shareable",
        "bytes": 8,
        "sha256": describe(Path(TABLE))["sha256"],
        "code_digest": code_digest("evaluate_scores"),
        "commit": "abc+",
        "inputs": 2,
        "roots": 3,
        "complete": True,
        "stand_ins": "tiny model",
    }


def test_roots_are_counted_once():
    make("results/x/other", "evaluate_predict", [STAYS, "raw/a.csv", MODEL])
    rows, _ = lineage("results/x/other", TABLE)
    assert {name: row["roots"] for name, row in rows.items()} == {MODEL: 2, "results/x/other": 2, STAYS: 2, TABLE: 3}


def test_an_intermediate_that_was_made_again_is_named():
    Path("raw/a.csv").write_text("new raw data")
    make(STAYS, "extract_stays", ["raw/a.csv"])
    rows, problems = lineage()
    assert problems == [f"stale: {MODEL}: was made from another version of {STAYS}"]
    assert incomplete(rows) == {MODEL, TABLE}


def test_an_output_that_grew_by_hand_is_named():
    with Path(STAYS).open("a") as file:
        file.write("one more row")
    rows, problems = lineage()
    assert problems == [f"edited: {STAYS}: its content differs from its record"] and len(incomplete(rows)) == 3


def test_a_raw_file_that_changed_between_two_uses_is_named():
    old = Path("raw/a.csv").read_text()
    Path("raw/a.csv").write_text(old[::-1])
    make("results/x/other", "evaluate_predict", ["raw/a.csv"])
    _, problems = lineage("results/x/other", TABLE)
    assert problems == [f"stale: {STAYS}: was made from another version of raw/a.csv than results/x/other"]


def test_a_missing_record_is_named():
    record_path(Path(STAYS)).unlink()
    rows, problems = lineage()
    assert problems == [f"missing: {STAYS}: its record is missing, and {MODEL} was made from it"]
    assert incomplete(rows) == {MODEL, TABLE}


@pytest.mark.parametrize(("path", "without"), [(STAYS, 3), (MODEL + "/weights", 2), (TABLE, 1)])
def test_a_missing_output_is_named(path, without):
    Path(path).unlink()
    rows, problems = lineage()
    fact = "missing: {}: its record exists, the output does not"
    fact = "edited: {}: its content differs from its record" if path.startswith(MODEL) else fact
    assert problems == [fact.format(path.removesuffix("/weights"))]
    assert len(incomplete(rows)) == without


def test_a_raw_file_that_is_elsewhere_breaks_no_chain():
    Path("raw/b.csv").unlink()
    assert lineage()[1] == []


def test_a_target_without_a_record_is_named():
    with pytest.raises(UserError, match="results/x/never: no record describes it"):
        lineage("results/x/never")


def test_a_file_among_the_outputs_without_a_record_is_not_a_raw_file():
    tiny_tree.write("results/x/by_hand.csv")
    make("results/x/other", "evaluate_predict", ["results/x/by_hand.csv"])
    fact = "untracked: results/x/by_hand.csv: has no record, and results/x/other was made from it"
    assert lineage("results/x/other")[1] == [fact]


def test_contents_are_compared_where_a_file_is_newer_than_its_record():
    path = Path(STAYS)
    before = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert lineage()[1] == []  # same size, older than the record: only trace.py --verify sees it
    later = record_path(path).stat().st_mtime_ns + TOUCHED_NS
    os.utime(path, ns=(later, later))
    assert lineage()[1] == []  # as Snakemake itself touches outputs
    os.utime(path, ns=(later, later + 1))
    assert lineage()[1] == [f"edited: {STAYS}: its content differs from its record"]
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(later, later + 1))
    assert lineage()[1] == []  # newer, but the same content


def test_the_root_changes_with_any_record_that_the_targets_descend_from():
    root = list_lineage([Path(TABLE)])[2]
    assert list_lineage([Path(TABLE)])[2] == root == Graph.around(Path(TABLE)).root([TABLE])
    line = f"{sha256(record_path(Path(TABLE)))}  {TABLE}\n"
    assert root == hashlib.sha256(line.encode()).hexdigest()
    make(STAYS, "extract_stays", ["raw/a.csv", "raw/b.csv"], Path(STAYS).read_text(), seed=1)
    made(MODEL, "train_phase1", [STAYS])
    make(TABLE, "evaluate_scores", [MODEL, "resources/names.csv"], "a,b\n1,2\n", stand_ins=["tiny model"])
    assert lineage()[1] == [] and list_lineage([Path(TABLE)])[2] != root


def test_a_long_chain_with_many_ways_is_walked_once_per_file():
    """Every link has two inputs, so that walking all ways would take 2 to the 200th steps."""
    make("results/x/0", "evaluate_predict", ["raw/a.csv"])
    make("results/x/1", "evaluate_predict", ["results/x/0"])
    for i in range(2, 200):
        make(f"results/x/{i}", "evaluate_predict", [f"results/x/{i - 1}", f"results/x/{i - 2}"])
    rows, problems = lineage("results/x/199")
    assert len(rows) == 200 and problems == [] and {row["roots"] for row in rows.values()} == {1}


def test_an_output_from_outside_a_repository_has_no_commit():
    make("results/x/other", "evaluate_predict", ["raw/a.csv"], git={})
    assert lineage("results/x/other")[0]["results/x/other"]["commit"] is None
