"""Tracing and checking results: from one cell to raw files, forward again, on a copy, after tampering."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_tree
from tiny_tree import make, write

from clinragen.audit.trace import steps, target_of
from clinragen.provenance.digest import code_digest
from clinragen.provenance.graph import Graph, Relocation
from clinragen.provenance.record import SCHEMA, record_path, sha256

SCRIPT = Path(__file__).parents[2] / "scripts" / "trace.py"
STAYS, MODEL, TABLE = "results/x/stays", "results/x/model", "results/x/tables/table.csv"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tiny_tree.build()


def trace(*words: str | Path, cwd: Path | None = None) -> tuple[int, str]:
    """Exit status, and standard output and error together."""
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, run.stdout + run.stderr


def problems(*words: str | Path, cwd: Path | None = None) -> list[str]:
    """Kind and path of each problem that a check names."""
    status, said = trace(*words, "--verify", cwd=cwd)
    kinds = ("corrupt: ", "edited: ", "missing: ", "stale: ", "untracked: ")
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


def tree_of(said: str) -> list[str]:
    """The tree in an answer, without sizes and hashes."""
    return [line.split("  [")[0] for line in said.split("\n\n")[1].splitlines()]


def test_the_tree_goes_down_to_raw_files_and_unfolds_each_once():
    make("results/x/other", "evaluate_predict", [TABLE, STAYS])
    status, said = trace("results/x/other", "--depth", "all")
    assert status == 0 and tree_of(said) == [
        "results/x/other",
        f"├─ {TABLE}",
        f"│  ├─ {MODEL}",
        f"│  │  └─ also {STAYS}",
        "│  └─ resources/names.csv",
        f"└─ {STAYS}",
        "   └─ raw/",
    ]
    assert "[raw file or resource, 2 files]" in said


def test_the_outputs_of_one_run_and_many_files_of_a_directory_are_one_line():
    texts = [str(write(f"resources/texts/{n}.md")) for n in range(9)]
    command = ["python", "scripts/demo_mimic3.py"]
    for n in range(3):
        make(f"results/x/raw/{n}.csv", "demo_mimic3", texts, command=command)
        make(f"results/x/extract{n}", "extract_events", [f"results/x/raw/{n}.csv"])
    make("results/x/other", "evaluate_predict", [f"results/x/extract{n}" for n in range(3)] + ["results/x/raw/0.csv"])
    assert tree_of(trace("results/x/other")[1]) == [
        "results/x/other",
        "├─ results/x/extract0",
        "│  └─ also results/x/raw/0.csv",
        "├─ results/x/extract1",
        "│  └─ results/x/raw/1.csv",
        "│     └─ resources/texts/",
        "├─ results/x/extract2",
        "│  └─ results/x/raw/2.csv",
        "└─ results/x/raw/0.csv",
    ]
    said = trace("results/x/other", "--long")[1]
    assert said.count("(see above)") == 2 and all(text in said for text in texts)


def test_the_depth_is_what_fits_on_a_screen_or_as_asked_for():
    make("results/x/0", "evaluate_predict", ["raw/a.csv"])
    for i in range(1, 40):
        make(f"results/x/{i}", "evaluate_predict", [f"results/x/{i - 1}"])
    assert [len(tree_of(trace("results/x/39", *words)[1])) for words in ((), ("--depth", "all"))] == [16, 41]
    said = trace("results/x/39", "--depth", "2")[1]
    assert len(tree_of(said)) == 3 and said.rstrip().endswith("(+1)")


def test_the_summary_names_what_a_reader_asks_first():
    make(STAYS, "extract_stays", ["raw/a.csv"], git={})
    make("results/x/rationales", "rationale_notes", [STAYS], seed=7, facts={"models": ["gpt"]}, stand_ins=["notes"])
    make("results/x/predictions", "evaluate_predict", ["results/x/rationales", "raw/b.csv"], "n,f1\n1,0.5\n",
         seed=8, stand_ins=["notes"])  # fmt: skip
    Path("results/x/predictions").rename("results/x/predictions.csv")
    tiny_tree.made("results/x/predictions.csv", "evaluate_predict", ["results/x/rationales", "raw/b.csv"], seed=8,
                   stand_ins=["notes"])  # fmt: skip
    lines = trace("results/x/predictions.csv#1:f1")[1].splitlines()
    root = Graph.around(Path("results/x")).root(["results/x/predictions.csv"])
    assert lines[:7] == [
        "f1: 0.5",
        "stand-ins  notes",
        "commits    outside of git (1 outputs), abc with uncommitted changes (2 outputs)",
        "seeds      7, 8",
        "models     gpt",
        f"root       {root} (of this output)",
        "made in    3 steps from 2 raw files and resources",
    ]


def test_the_stand_ins_of_a_row_are_those_of_what_it_was_made_of():
    for name, labels in (("one", ["tiny model"]), ("two", [])):
        make(f"results/x/{name}", "train_phase1", [STAYS], stand_ins=labels)
    rows = [{"where": {"model": name}, "inputs": [f"results/x/{name}"]} for name in ("one", "two")]
    make(TABLE, "evaluate_scores", ["results/x/one", "results/x/two"], "model,value\none,1\ntwo,2\n", rows=rows,
         stand_ins=["tiny model"])  # fmt: skip
    labels = [trace(f"{TABLE}{row}")[1].splitlines()[0] for row in ("", "#model=one", "#model=two")]
    assert labels == ["stand-ins  tiny model", "stand-ins  tiny model", "stand-ins  none"]


def test_the_long_answer_has_all_facts_about_each_step():
    make("results/x/rationales", "rationale_notes", [STAYS, "resources/names.csv"], seed=7,
         facts={"models": ["gpt"], "requests": {"number": 500, "sha256": "beef"}})  # fmt: skip
    _, said = trace("results/x/rationales", "--long")
    for text in ("1. extract_stays", "2. rationale_notes",
                 "command: python scripts/rationale_notes.py --inputs results/x/stays",
                 f"code_digest: {code_digest('extract_stays')}", "runtime_digest: c0re", "commit: abc", "dirty: true",
                 "width: 3", "seed: 7", "numpy: 2.4.6", "cpus: 2", "- gpt", "number: 500", "sha256: beef",
                 "stand_ins: []", "started: '2026-01-01T00:00:00+00:00'", "wall_seconds: 1.5"):  # fmt: skip
        assert text in said, text
    assert said.count("sha256: ") == 7


def test_the_outputs_of_one_run_are_one_step():
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
    status, said = trace(TABLE + cell)
    assert status == 0
    assert {f"results/x/{name}" for name in ("one", "two") if f"─ results/x/{name}" in said} == below
    assert "resources/names.csv" in said
    assert said.splitlines()[0] == f"value: {value}" or value is None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("#9", "has 3 rows, and no row 9"),
        ("#0", "has 3 rows, and no row 0"),
        ("#model=three", "model=three matches 0 rows of"),
        ("#model=one:value", "matches 2 rows of"),
        ("#colour=red", "has no column colour; it has model, metric, value"),
        ("#1:colour", "has no column colour"),
    ],
)
def test_a_cell_that_does_not_exist_is_refused(cell, message):
    two_models()
    status, said = trace(TABLE + cell)
    assert status == 2 and message in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["results/x/nothing"], "no such file"),
        (["raw/a.csv"], "no record describes it"),
        (["results/x/stays#1"], "is not a table"),
        (["raw/c.csv", "--forward"], "no output below results was made from it"),
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
    assert trace("results/x/notes.parquet#stay_id=2:request")[1].splitlines()[0] == "request: bb"


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
    number, *others = (line.split("  [")[0] for line in said.splitlines())
    assert number.startswith(f"{len(touched)} outputs: ")
    assert status == 0 and others == touched


def test_forward_from_code_finds_what_it_made_and_what_followed():
    make(MODEL + "2", "train_phase1", [STAYS], code={"train_phase1.py": "1", "clinragen/train/phases.py": "2"})
    make("results/x/scores", "evaluate_scores", [MODEL + "2"], code={"evaluate_scores.py": "1"})
    for file in (SCRIPT.with_name("train_phase1.py"), "scripts/clinragen/train/phases.py"):
        lines = trace(file, "--forward")[1].splitlines()
        assert lines == [
            "2 outputs: train_phase1 1, evaluate_scores 1",
            f"{MODEL}2  [train_phase1]",
            "results/x/scores  [evaluate_scores]",
        ]
    status, said = trace("scripts/clinragen/runtime/log.py", "--forward")
    assert status == 2 and "clinragen/runtime does not change contents" in said


def test_forward_takes_a_file_by_any_path():
    Path("link.csv").symlink_to("raw/a.csv")
    for path in (Path("raw/a.csv").absolute(), "./raw/../raw/a.csv", "link.csv"):
        assert TABLE in trace(path, "--forward")[1]


def test_a_whole_tree_is_as_recorded():
    for path in ("logs/a/b.log", "timings/a/b.jsonl", "report.html", "audit/usage.csv",
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
    root = trace(TABLE, "--verify")[1].splitlines()[-1].removeprefix("root: ")
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
                                  "tables/report.html", "checkpoints-phase1/notes.txt", "releases/a.zip"])  # fmt: skip
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


def test_a_closed_pipe_ends_the_answer_quietly():
    run = subprocess.run(
        f"{sys.executable} {SCRIPT} {TABLE} | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert run.stderr == "" and run.stdout.startswith("stand-ins")
