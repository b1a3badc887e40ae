"""What made which output: complete chains, and the reason why a chain is not."""

from pathlib import Path

import pytest

from clinragen.audit.lineage import list_lineage
from clinragen.kernel.record import describe, record_path, write_record
from clinragen.tables.audit import LINEAGE


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """raw/{a,b} -> results/stays -> results/model (a folder) -> results/table; resources/names -> table."""
    monkeypatch.chdir(tmp_path)
    for path in ("raw/a.csv", "raw/b.csv", "resources/names.csv"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(path)
    make("results/stays", "extract_stays", ["raw/a.csv", "raw/b.csv"])
    Path("results/model").mkdir()
    make("results/model/weights", None, [])
    made("results/model", "train_phase1", ["results/stays"])
    make("results/table", "evaluate_table", ["results/model", "resources/names.csv"], stand_ins=["tiny model"])
    return tmp_path


def make(path: str, rule: str | None, inputs: list[str], **facts: object) -> None:
    """Write a file, and its record where it has a rule."""
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(f"{path} of {inputs} {facts}")
    if rule:
        made(path, rule, inputs, **facts)


def made(path: str, rule: str, inputs: list[str], **facts: object) -> None:
    """Write the record of an output as a step does."""
    common = {"rule": rule, "code_digest": "c0de", "git": {"commit": "abc", "dirty": True}, "stand_ins": []}
    output = describe(Path(path)) | {"sharing": "restricted"}
    write_record(Path(path), common | {"output": output, "inputs": [describe(Path(i)) for i in inputs]} | facts)


def lineage(*targets: str) -> tuple[dict[str, dict], list[str]]:
    table, gaps = list_lineage([Path(t) for t in targets or ["results/table"]], ["raw", "resources"])
    return {row["output"]: row for row in LINEAGE.check(table, "test").to_pylist()}, gaps


def test_a_complete_chain():
    rows, gaps = lineage()
    assert gaps == [] and list(rows) == ["results/model", "results/stays", "results/table"]
    assert all(row["complete"] for row in rows.values())
    assert rows["results/table"] == {
        "output": "results/table",
        "rule": "evaluate_table",
        "sharing": "restricted",
        "bytes": Path("results/table").stat().st_size,
        "sha256": describe(Path("results/table"))["sha256"],
        "code_digest": "c0de",
        "commit": "abc+",
        "inputs": 2,
        "roots": 3,
        "complete": True,
        "stand_ins": "tiny model",
    }


def test_roots_are_counted_once():
    make("results/other", "x", ["results/stays", "raw/a.csv", "results/model"])
    rows, _ = lineage("results/other", "results/table")
    assert {name: row["roots"] for name, row in rows.items()} == {
        "results/model": 2,
        "results/other": 2,
        "results/stays": 2,
        "results/table": 3,
    }


def incomplete(rows: dict[str, dict]) -> set[str]:
    return {name for name, row in rows.items() if not row["complete"]}


def test_an_intermediate_that_was_made_anew_is_named():
    Path("raw/a.csv").write_text("new raw data")
    make("results/stays", "extract_stays", ["raw/a.csv"])
    rows, gaps = lineage()
    assert gaps == ["results/stays: changed after results/model was made of it"]
    assert incomplete(rows) == {"results/model", "results/table"}


def test_an_output_that_was_edited_by_hand_is_named():
    with Path("results/stays").open("a") as file:
        file.write("one more row")
    rows, gaps = lineage()
    assert gaps == ["results/stays: not as its record says"] and len(incomplete(rows)) == 3


def test_a_raw_file_that_changed_between_two_uses_is_named():
    old = Path("raw/a.csv").read_text()
    Path("raw/a.csv").write_text(old[::-1])
    make("results/other", "x", ["raw/a.csv"])
    _, gaps = lineage("results/other", "results/table")
    assert gaps == ["raw/a.csv: not the same where results/other and results/stays were made of it"]


def test_a_raw_file_of_another_size_than_was_used_makes_the_lineage_incomplete():
    Path("raw/a.csv").write_text("new raw data, and more of it")
    rows, gaps = lineage()
    assert gaps == ["raw/a.csv: changed after results/stays was made of it"]
    assert incomplete(rows) == {"results/stays", "results/model", "results/table"}


def test_a_missing_record_is_named():
    record_path(Path("results/stays")).unlink()
    rows, gaps = lineage()
    assert gaps == ["results/stays: no record"] and incomplete(rows) == {"results/model", "results/table"}


@pytest.mark.parametrize(
    ("path", "without"), [("results/stays", 3), ("raw/b.csv", 3), ("resources/names.csv", 1), ("results/table", 1)]
)
def test_a_missing_file_is_named(path, without):
    Path(path).unlink()
    rows, gaps = lineage()
    assert gaps == [f"{path}: gone"] and len(incomplete(rows)) == without


def test_a_target_that_never_was_is_named():
    rows, gaps = lineage("results/never")
    assert rows == {} and gaps == ["results/never: no record"]


def test_a_folder_whose_name_begins_like_an_origin_is_none():
    make("raw2/a.csv", None, [])
    make("results/other", "x", ["raw2/a.csv"])
    assert lineage("results/other")[1] == ["raw2/a.csv: no record"]


def test_a_long_chain_with_many_ways_is_walked_once_per_file():
    """Every link has two inputs, so that walking all ways would take 2 to the 300th steps."""
    make("results/0", "x", ["raw/a.csv"])
    make("results/1", "x", ["results/0"])
    for i in range(2, 300):
        make(f"results/{i}", "x", [f"results/{i - 1}", f"results/{i - 2}"])
    rows, gaps = lineage("results/299")
    assert len(rows) == 300 and gaps == [] and {row["roots"] for row in rows.values()} == {1}


def test_an_output_from_outside_a_repository_has_no_commit():
    make("results/other", "x", ["raw/a.csv"], git={})
    assert lineage("results/other")[0]["results/other"]["commit"] is None
