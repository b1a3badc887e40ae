"""Tracing and checking results: from one cell to raw files, forward again, on a copy, after tampering."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_tree
from tiny_tree import make, write

from clinragen.audit.graph import Graph, Relocation
from clinragen.audit.trace import steps, target_of
from clinragen.provenance.digest import code_digest
from clinragen.provenance.record import SCHEMA, record_path

SCRIPT = Path(__file__).parents[2] / "scripts" / "trace.py"
STAYS, MODEL, TABLE = "results/x/stays", "results/x/model", "results/x/tables/table.csv"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tiny_tree.build()


def trace(*words: str | Path, cwd: Path | None = None) -> tuple[int, str]:
    """Exit status and all that the program said."""
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, run.stdout + run.stderr


def problems(*words: str | Path, cwd: Path | None = None) -> list[str]:
    """Kind and path of each problem that a check names."""
    status, said = trace(*words, "--verify", cwd=cwd)
    kinds = ("edited: ", "gone: ", "stale: ", "torn: ", "untracked: ")
    found = [": ".join(line.split(": ")[:2]) for line in said.splitlines() if line.startswith(kinds)]
    assert status == (1 if found else 0), said
    return found


def two_models() -> None:
    """A table of two rows, each of a model of its own, and of what both share."""
    for name in ("one", "two"):
        make(f"results/x/{name}", "train_phase1", [STAYS])
    rows = [{"where": {"model": name}, "inputs": [f"results/x/{name}"]} for name in ("one", "two")]
    make(TABLE, "evaluate_scores", ["resources/names.csv", "results/x/one", "results/x/two"],
         "model,metric,value\none,f1,0.5\none,recall,0.6\ntwo,f1,0.7\n", rows=rows)  # fmt: skip


def test_the_tree_goes_down_to_raw_files_and_names_each_once():
    make("results/x/other", "evaluate_predict", [TABLE, STAYS])
    status, said = trace("results/x/other", "--short")
    shape = [line.split("  [")[0] for line in said.splitlines()]
    assert status == 0 and shape == [
        "results/x/other",
        f"├─ {TABLE}",
        f"│  ├─ {MODEL}",
        f"│  │  └─ {STAYS}",
        "│  │     ├─ raw/a.csv",
        "│  │     └─ raw/b.csv",
        "│  └─ resources/names.csv",
        f"└─ {STAYS}",
    ]
    assert "(above)" in said.splitlines()[-1] and "raw file or resource" in said


def test_many_files_of_one_folder_stand_in_one_line_of_the_tree():
    texts = [str(write(f"resources/texts/{n}.md")) for n in range(9)]
    make("results/x/other", "evaluate_predict", [*texts, "raw/a.csv"])
    tree, story = trace("results/x/other")[1].split("\n\n")
    assert "├─ resources/texts/  [9 raw files or resources]\n└─ raw/a.csv" in tree
    assert all(text in story for text in texts)


def test_the_story_of_each_step_tells_all_that_its_record_does():
    make("results/x/rationales", "rationale_notes", [STAYS, "resources/names.csv"], seed=7,
         facts={"models": ["gpt"], "requests": {"number": 500, "sha256": "beef"}})  # fmt: skip
    _, said = trace("results/x/rationales")
    for text in ("1. extract_stays", "2. rationale_notes", "python scripts/rationale_notes.py --inputs results/x/stays",
                 f"{code_digest('extract_stays')}, runtime c0re; commit abc and uncommitted changes", "width = 3",
                 "seed         7", "numpy 2.4.6", "cpus 2", "models       gpt",
                 "requests     500, sha256 of their list beef", "stand-ins    none",
                 "2026-01-01T00:00:00+00:00, 1.5 s"):  # fmt: skip
        assert text in said, text
    assert said.count("sha256 ") > 10


def test_what_one_run_of_a_step_made_is_told_together():
    graph = Graph.around(Path(TABLE))
    for name in ("first", "second"):
        make(f"results/x/{name}", "benchmark_labels", ["raw/a.csv"], command=["python", "scripts/benchmark_labels.py"])
    make("results/x/both", "evaluate_predict", ["results/x/first", "results/x/second"])
    assert [len(records) for records in steps(graph, "results/x/both", None)] == [2, 1]


def test_json_holds_records_and_roots():
    status, said = trace(TABLE, "--json")
    found = json.loads(said)
    assert status == 0 and set(found["records"]) == {STAYS, MODEL, TABLE}
    assert set(found["roots"]) == {"raw/a.csv", "raw/b.csv", "resources/names.csv"}
    assert found["records"][MODEL]["inputs"][0]["made_by"] == "extract_stays"


@pytest.mark.parametrize(
    ("cell", "below", "value"),
    [
        ("", {"results/x/one", "results/x/two"}, None),
        ("#1", {"results/x/one"}, None),
        ("#3:value", {"results/x/two"}, "0.7"),
        ("#model=two:value", {"results/x/two"}, "0.7"),
        ("#model=one,metric=recall:value", {"results/x/one"}, "0.6"),
        ("#model=one", {"results/x/one"}, None),
        ("#metric=f1", {"results/x/one", "results/x/two"}, None),
    ],
)
def test_a_cell_descends_from_what_its_row_was_made_of(cell, below, value):
    two_models()
    status, said = trace(TABLE + cell, "--short")
    assert status == 0
    assert {f"results/x/{name}" for name in ("one", "two") if f"─ results/x/{name}" in said} == below
    assert "resources/names.csv" in said
    assert said.splitlines()[0] == f"value: {value}" or value is None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("#9", "has 3 rows, and no row 9"),
        ("#0", "has 3 rows, and no row 0"),
        ("#model=three", "0 rows of"),
        ("#model=one:value", "2 rows of"),
        ("#colour=red", "has no column colour; it has model, metric, value"),
        ("#1:colour", "has no column colour"),
    ],
)
def test_a_cell_that_is_not_there_is_told(cell, message):
    two_models()
    status, said = trace(TABLE + cell)
    assert status == 2 and message in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["results/x/nothing"], "no such file"),
        (["raw/a.csv"], "no record tells what made it"),
        (["results/x/stays#1"], "is no table"),
        (["raw/c.csv", "--forward"], "no output below results was made of it"),
    ],
)
def test_a_question_without_an_answer_ends_with_status_2(words, message):
    status, said = trace(*words)
    assert status == 2 and message in said


def test_rows_of_parquet_files_can_be_asked_for():
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"stay_id": [1, 2], "request": ["aa", "bb"]}), "results/x/notes.parquet")
    tiny_tree.made("results/x/notes.parquet", "rationale_notes", [STAYS])
    assert target_of("results/x/notes.parquet#stay_id=2:request").row == {"stay_id": "2", "request": "bb"}
    assert trace("results/x/notes.parquet#stay_id=2:request", "--short")[1].splitlines()[0] == "request: bb"


@pytest.mark.parametrize(
    ("file", "touched"),
    [
        ("raw/a.csv", [STAYS, MODEL, TABLE]),
        ("resources/names.csv", [TABLE]),
        (STAYS, [MODEL, TABLE]),
        (f"{MODEL}/weights", [TABLE]),
    ],
)
def test_forward_finds_everything_that_was_made_of_a_file(file, touched):
    status, said = trace(file, "--forward")
    first, *others = (line.split("  [")[0].lstrip("│├└─ ") for line in said.splitlines())
    assert status == 0 and file.startswith(first) and others == touched


def test_forward_takes_a_file_by_any_path():
    Path("link.csv").symlink_to("raw/a.csv")
    for path in (Path("raw/a.csv").absolute(), "./raw/../raw/a.csv", "link.csv"):
        assert TABLE in trace(path, "--forward")[1]


def test_a_whole_tree_is_as_recorded():
    for path in ("logs/a/b.log", "timings/a/b.jsonl", "report.html", "audit/usage.csv", "y/journal/a.jsonl",
                 "y/train/z/seed1/checkpoints-phase1/checkpoint-3/model", "y/.tmp-host-12-x"):  # fmt: skip
        write(f"results/x/{path}")
    assert problems("results/x") == [] and problems("results") == [] and problems(TABLE) == []
    said = trace("results/x", "--verify")[1].splitlines()[-1]
    assert said.startswith("3 outputs (") and "of 3 raw files and resources (0 not here)" in said


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
        (lambda: Path(STAYS).unlink(), [f"gone: {STAYS}"]),
        (lambda: record_path(Path(STAYS)).unlink(), [f"gone: {STAYS}", f"untracked: {STAYS}"]),
    ],
)
def test_an_edited_stale_untracked_or_missing_file_is_named(damage, expected):
    damage()
    assert problems("results/x") == expected
    if "untracked" not in expected[0]:
        assert set(problems(TABLE)) == {e for e in expected if "untracked" not in e}


def test_an_output_of_other_code_than_stands_here_is_stale():
    make("results/x/table2", "evaluate_table", [TABLE], code_digest="older")
    assert problems("results/x") == ["stale: results/x/table2"]
    assert "by other code of evaluate_table than stands here, at commit abc" in trace("results/x", "--verify")[1]


def test_a_torn_record_is_named_and_the_rest_checked():
    record_path(Path(TABLE)).write_text('{"output": {"pa')
    flip(STAYS)
    found = problems("results/x")
    assert {f"edited: {STAYS}", f"torn: {TABLE}", f"untracked: {TABLE}"} == set(found)
    status, said = trace(TABLE)
    assert status == 2 and "is torn; make anew what it tells of" in said


def test_a_record_of_another_version_is_refused():
    place = record_path(Path(STAYS))
    place.write_text(place.read_text().replace(f'"schema": {SCHEMA}', '"schema": 1'))
    status, said = trace(TABLE)
    assert status == 2 and "is of another version of this workflow" in said


def test_findings_can_be_had_as_data():
    flip(STAYS)
    status, said = trace("results/x", "--verify", "--json")
    found = json.loads(said)
    assert status == 1 and [p["path"] for p in found["problems"]] == [STAYS] and found["outputs"] == 3


def test_an_output_of_a_rule_that_is_no_more_is_stale():
    record = record_path(Path(TABLE))
    record.write_text(record.read_text().replace("evaluate_scores", "evaluate_never"))
    assert problems("results/x") == [f"stale: {TABLE}"]


def test_a_part_of_a_tree_is_checked_with_all_that_it_descends_from():
    flip(STAYS)
    assert problems("results/x/tables") == [f"edited: {STAYS}"]


def test_folders_that_lie_elsewhere_by_a_link_are_looked_into(tmp_path):
    Path("results/x/tables").rename(tmp_path / "scratch")
    Path("results/x/tables").symlink_to(tmp_path / "scratch")
    Path("results/x/again").symlink_to(Path("results/x").absolute())
    assert problems("results/x") == []
    flip(TABLE)
    write("results/x/tables/new.csv")
    assert problems("results/x") == [f"edited: {TABLE}", "untracked: results/x/tables/new.csv"]


def test_a_resource_that_is_gone_is_named():
    write("resources/another.csv")
    Path("resources/names.csv").unlink()
    assert problems("results/x") == ["gone: resources/names.csv"]


def test_a_folder_without_any_record_is_no_success(tmp_path):
    (tmp_path / "empty").mkdir()
    status, said = trace(tmp_path / "empty", "--verify")
    assert status == 2 and "holds no output with a record" in said


@pytest.mark.parametrize("name", ["tables/logs/leak.csv", "logs/leak.csv", "tables/report.html", "journal/a.csv",
                                  "checkpoints-phase1/notes.txt", "releases/a.zip"])  # fmt: skip
def test_what_only_looks_like_a_log_is_untracked(name):
    write(f"results/x/{name}")
    assert problems("results/x") == ([] if name.startswith("releases") else [f"untracked: results/x/{name}"])


@pytest.mark.parametrize("copied", ["results", "results/x"])
def test_a_copy_of_the_results_alone_is_traced_and_checked(copied, tmp_path):
    place = tmp_path / "elsewhere" / "copy"
    shutil.copytree(copied, place)
    shutil.rmtree("results")
    table = place / Path(TABLE).relative_to(copied)
    status, said = trace(table, "--short", cwd=tmp_path)
    assert status == 0 and "raw/a.csv" in said
    status, said = trace(place, "--verify", cwd=tmp_path)
    assert status == 0 and "not here, so not looked at: raw/a.csv" in said and "(3 not here)" in said
    flip(str(place / Path(STAYS).relative_to(copied)))
    assert problems(place, cwd=tmp_path) == [f"edited: {STAYS}"]
    assert problems(table, cwd=tmp_path) == [f"edited: {STAYS}"]


def test_results_that_moved_with_their_project_find_its_resources(tmp_path):
    Path.cwd().rename(tmp_path / "moved")
    flip(str(tmp_path / "moved/resources/names.csv"))
    assert problems(tmp_path / "moved/results", cwd=tmp_path) == [f"stale: {TABLE}"]


def test_outputs_that_are_known_to_be_elsewhere_are_no_problem():
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
def test_paths_of_records_are_found_where_the_results_lie_now(recorded, here, used, found):
    move = Relocation.of(recorded, Path(here))
    assert move.current_path(used) == Path(found) and move.current_path(recorded) == Path(here)
    assert move.recorded_path(Path(here)) == recorded


def test_without_a_path_of_its_own_a_lonely_pipe_ends_quietly():
    run = subprocess.run(
        f"{sys.executable} {SCRIPT} {TABLE} | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert run.stderr == "" and run.stdout.startswith(TABLE)
