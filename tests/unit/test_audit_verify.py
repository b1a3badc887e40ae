"""Verification after tampering, of copies, and of what only looks like a log."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_tree import MODEL, STAYS, TABLE, make, write
from traces import trace

from clinragen.provenance.graph import Graph, Relocation
from clinragen.provenance.record import SCHEMA, record_path, sha256

pytestmark = pytest.mark.usefixtures("project")


def problems(*words: str | Path, cwd: Path | None = None) -> list[str]:
    """Kind and path of each problem that a check names."""
    status, said = trace(*words, "--verify", cwd=cwd)
    kinds = ("corrupt: ", "edited: ", "missing: ", "stale: ", "untracked: ")
    found = [": ".join(line.split(": ")[:2]) for line in said.splitlines() if line.startswith(kinds)]
    assert status == (1 if found else 0), said
    return found


def test_a_whole_tree_is_as_recorded():
    for path in ("logs/a/b.log", "timings/a/b.jsonl", "report.html", "audit/usage.csv", "audit/growth.csv",
                 "logs/a/b/1-of-4.log", "timings/a/b/1-of-4.jsonl", "y/train/z/seed1/checkpoints-joint/model",
                 "logs/train_phase1/y-seed1/events.out.tfevents.17.host.12.0",
                 "y/train/z/seed1/checkpoints-phase1/checkpoint-3/model", "y/.tmp-host-12-x",
                 "y/evaluate/z/seed1/parts/ab/0.json", "y/planted/z/seed1/parts/ab/0.json"):  # fmt: skip
        write(f"results/x/{path}")
    assert problems("results/x") == [] and problems("results") == [] and problems(TABLE) == []
    *_, runtime, said, root = trace("results/x", "--verify")[1].splitlines()
    assert said.startswith("3 outputs (") and "of 3 raw files and resources (0 not here)" in said
    assert runtime.startswith("3 outputs were written by another version of the runtime")
    assert root.startswith("root: none")


def flip(path: str) -> None:
    """Change one character, so that name and size stay."""
    text = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(text.swapcase(), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda: flip(STAYS), [f"edited: {STAYS}"]),
        (lambda: flip(f"{MODEL}/weights"), [f"edited: {MODEL}"]),
        (lambda: write(f"{MODEL}/another"), [f"edited: {MODEL}"]),
        (lambda: flip("raw/a.csv"), [f"stale: {STAYS}"]),
        (lambda: flip("resources/names.csv"), [f"stale: {TABLE}"]),
        (lambda: make(STAYS, "extract_stays", ["raw/b.csv"]), [f"stale: {MODEL}"]),
        (lambda: write("results/x/new.csv"), ["untracked: results/x/new.csv"]),
        (lambda: write("results/x/tables/deep/new.csv"), ["untracked: results/x/tables/deep/new.csv"]),
        (lambda: Path(STAYS).unlink(), [f"missing: {STAYS}"]),
        (lambda: record_path(Path(STAYS)).unlink(), [f"missing: {STAYS}", f"untracked: {STAYS}"]),
    ],
)
def test_an_edited_stale_untracked_or_missing_file_is_named(damage, expected):
    damage()
    assert problems("results/x") == expected
    if "untracked" not in expected[0]:
        assert set(problems(TABLE)) == {e for e in expected if "untracked" not in e}


def test_an_output_of_another_version_of_the_code_is_stale():
    make("results/x/table2", "evaluate_table", [TABLE], code_digest="older")
    assert problems("results/x") == ["stale: results/x/table2"]
    assert "another version of the code of evaluate_table, at commit abc" in trace("results/x", "--verify")[1]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ('{"output": {"pa', "is corrupted"),
        ("[]", "is not a provenance record"),
        ("{}", "is not a provenance record"),
        (f'{{"schema": {SCHEMA}, "output": {{}}, "inputs": []}}', "has no valid code, code_digest"),
        ('{"schema": 1}', f"has record version 1, not {SCHEMA}"),
    ],
)
def test_a_record_that_cannot_be_used_is_named_and_the_rest_checked(content, fact):
    record_path(Path(TABLE)).write_text(content)
    flip(STAYS)
    assert problems("results/x") == [f"corrupt: {TABLE}", f"edited: {STAYS}"]
    assert fact in trace("results/x", "--verify")[1]
    status, said = trace(TABLE)
    assert status == 2 and fact in said


def change(path: str, **facts: object) -> None:
    """Change facts in the record of an output, as somebody who falsifies it would."""
    place = record_path(Path(path))
    place.write_text(json.dumps(json.loads(place.read_text()) | facts), encoding="utf-8")


def test_two_swapped_records_are_named_and_the_rest_checked():
    one, two = record_path(Path(STAYS)), record_path(Path(MODEL))
    first, second = one.read_text(), two.read_text()
    one.write_text(second)
    two.write_text(first)
    flip("resources/names.csv")
    assert problems("results/x") == [f"corrupt: {MODEL}", f"corrupt: {STAYS}", f"stale: {TABLE}"]
    assert f"its record describes {STAYS}" in trace("results/x", "--verify")[1]
    assert trace(TABLE)[0] == 0 and f"corrupt    {MODEL}: its record describes {STAYS}" in trace(TABLE)[1]


def test_a_cycle_of_records_is_named():
    used = json.loads(record_path(Path(TABLE)).read_text())["inputs"]
    change(STAYS, inputs=[used[0]])
    assert problems("results/x")[0] == f"corrupt: {MODEL}"
    said = trace("results/x", "--verify")[1]
    assert f"cycle of records: {MODEL} ← {STAYS} ← {MODEL}" in said and said.count("cycle") == 1
    for words in ((TABLE, "--depth", "all", "--long"), (TABLE, "--json"), (STAYS, "--forward")):
        assert trace(*words)[0] == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"settings": {"width": 4}},
        {"git": {"commit": "clean", "dirty": False}},
        {"seed": 5},
        {"inputs": []},
        {"stand_ins": []},
    ],
)
def test_a_falsified_record_is_named_though_it_is_consistent_in_itself(facts):
    change(MODEL, **facts)
    assert problems("results/x") == [f"edited: {MODEL}"]
    assert f"its record is not the one that {TABLE} was made with" in trace(TABLE, "--verify")[1]


def test_outputs_of_a_larger_run_are_stale_when_their_input_has_been_made_again():
    change(MODEL, started="2999-01-01T00:00:00+00:00")
    assert problems("results/x") == [f"stale: {TABLE}"]
    assert f"was made from an earlier run of {MODEL}, which gave the same content" in trace(TABLE, "--verify")[1]


def test_a_value_of_an_edited_table_is_not_explained():
    row = f"{TABLE}#1"
    assert trace(row)[0] == 0
    flip(TABLE)
    status, said = trace(row)
    assert status == 2 and f"{TABLE} differs from its record" in said


def test_who_falsifies_all_records_meets_another_root():
    tree = Graph.around(Path("results/x"))
    assert tree.root_of_tree(Path("results/x")) is None
    status, said = trace("results/x", "--verify", "--root", "beef")
    assert status == 2 and "results/x has no root" in said
    make("results/x/audit/lineage.csv", "audit_lineage", [TABLE])
    root = trace("results/x", "--verify")[1].splitlines()[-1].removeprefix("root: ")
    assert trace("results/x", "--verify", "--root", root)[0] == 0
    assert json.loads(trace("results/x", "--verify", "--json")[1])["root"] == root
    change(MODEL, settings={"width": 4})
    used = json.loads(record_path(Path(TABLE)).read_text())["inputs"]
    change(TABLE, inputs=[used[0] | {"record": sha256(record_path(Path(MODEL)))}, *used[1:]])
    make("results/x/audit/lineage.csv", "audit_lineage", [TABLE])
    assert problems("results/x") == []
    status, said = trace("results/x", "--verify", "--root", root)
    assert status == 1 and said.splitlines()[-1].startswith("the root differs: ")


def test_the_root_of_one_output_can_be_checked_too():
    root = trace(TABLE, "--verify")[1].splitlines()[-1].removeprefix("root of this output: ")
    assert trace(TABLE, "--verify", "--root", root)[0] == 0
    assert trace(TABLE, "--verify", "--root", root[::-1])[0] == 1


def test_findings_can_be_had_as_data():
    flip(STAYS)
    status, said = trace("results/x", "--verify", "--json")
    found = json.loads(said)
    assert status == 1 and [p["path"] for p in found["problems"]] == [STAYS] and found["outputs"] == 3


def test_an_output_of_a_rule_that_no_longer_exists_is_stale():
    record = record_path(Path(TABLE))
    record.write_text(record.read_text().replace("evaluate_scores", "evaluate_never"))
    assert problems("results/x") == [f"stale: {TABLE}"]


def test_a_part_of_a_tree_is_checked_with_all_that_it_descends_from():
    flip(STAYS)
    assert problems("results/x/tables") == [f"edited: {STAYS}"]


def test_linked_directories_are_checked(tmp_path):
    Path("results/x/tables").rename(tmp_path / "scratch")
    Path("results/x/tables").symlink_to(tmp_path / "scratch")
    Path("results/x/again").symlink_to(Path("results/x").absolute())
    assert problems("results/x") == []
    flip(TABLE)
    write("results/x/tables/new.csv")
    assert problems("results/x") == [f"edited: {TABLE}", "untracked: results/x/tables/new.csv"]


def test_a_missing_resource_is_named():
    write("resources/another.csv")
    Path("resources/names.csv").unlink()
    assert problems("results/x") == ["missing: resources/names.csv"]


def test_a_folder_without_any_record_is_no_success(tmp_path):
    (tmp_path / "empty").mkdir()
    status, said = trace(tmp_path / "empty", "--verify")
    assert status == 2 and "holds no output with a record" in said


@pytest.mark.parametrize("name", ["tables/logs/leak.csv", "logs/leak.csv", "logs/train_phase1/y/leak.csv",
                                  "logs/a/b/c.log", "checkpoints-phase1/notes.txt", "tables/report.html",
                                  "releases/a.zip"])  # fmt: skip
def test_what_only_looks_like_a_log_is_untracked(name):
    write(f"results/x/{name}")
    assert problems("results/x") == ([] if name.startswith("releases") else [f"untracked: results/x/{name}"])


@pytest.mark.parametrize("copied", ["results", "results/x"])
def test_a_copy_of_the_results_alone_is_traced_and_checked(copied, tmp_path):
    place = tmp_path / "elsewhere" / "copy"
    shutil.copytree(copied, place)
    shutil.rmtree("results")
    table = place / Path(TABLE).relative_to(copied)
    status, said = trace(table, cwd=tmp_path)
    assert status == 0 and "─ raw/" in said
    status, said = trace(place, "--verify", cwd=tmp_path)
    assert status == 0 and "not here, not checked: raw/a.csv" in said and "(3 not here)" in said
    flip(str(place / Path(STAYS).relative_to(copied)))
    assert problems(place, cwd=tmp_path) == [f"edited: {STAYS}"]
    assert problems(table, cwd=tmp_path) == [f"edited: {STAYS}"]


def test_results_that_moved_with_their_project_find_its_resources(tmp_path):
    Path.cwd().rename(tmp_path / "moved")
    flip(str(tmp_path / "moved/resources/names.csv"))
    assert problems(tmp_path / "moved/results", cwd=tmp_path) == [f"stale: {TABLE}"]


def test_outputs_that_were_left_out_are_not_a_problem():
    Path(STAYS).unlink()
    write("left_out.csv", f"path,bytes\n{STAYS},3\n")
    status, said = trace("results/x", "--verify")
    assert status == 0 and f"left out here: {STAYS}" in said and "1 outputs left out" in said


@pytest.mark.parametrize(
    ("recorded", "here", "used", "found"),
    [
        ("results/x/a", "/p/results/x/a", "raw/b", "/p/raw/b"),
        ("results/x/a", "/q/x/a", "results/y/b", "/q/y/b"),
        ("/old/results/a", "/new/results/a", "/old/results/b", "/new/results/b"),
        ("/old/results/a", "/new/results/a", "/raw/b", "/raw/b"),
    ],
)
def test_paths_of_records_are_found_where_the_results_are_now(recorded, here, used, found):
    move = Relocation.of(recorded, Path(here))
    assert move.current_path(used) == Path(found) and move.current_path(recorded) == Path(here)
    assert move.recorded_path(Path(here)) == recorded
