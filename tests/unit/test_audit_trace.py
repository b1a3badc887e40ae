"""Tracing and checking results: from one cell to raw files, forward again, on a copy, after tampering."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_tree
from tiny_tree import MODEL, STAYS, TABLE, make, write
from traces import SCRIPT, trace

from clinragen.audit.trace import steps, target_of
from clinragen.provenance.digest import code_digest
from clinragen.provenance.graph import Graph

pytestmark = pytest.mark.usefixtures("project")


def two_models() -> None:
    """A table of two rows, each of a separate model and of shared inputs."""
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
    command = ["python", "scripts/demo_raw.py"]
    for n in range(3):
        make(f"results/x/raw/{n}.csv", "demo_raw", texts, command=command)
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


def test_a_row_that_takes_values_from_another_table_descends_from_the_same_row_there():
    two_models()
    make("results/x/two", "train_phase1", ["raw/b.csv"])
    rows = [{"where": {"model": name}, "inputs": [TABLE]} for name in ("one", "two")]
    make("results/x/tables/page.csv", "evaluate_table", [TABLE], "model,value\none,1\ntwo,2\n", rows=rows)
    for name, source in (("one", STAYS), ("two", "raw/b.csv")):
        status, said = trace(f"results/x/tables/page.csv#model={name}", "--depth", "3")
        assert status == 0 and tree_of(said) == [
            "results/x/tables/page.csv",
            f"└─ {TABLE}",
            "   ├─ resources/names.csv",
            f"   └─ results/x/{name}",
            f"      └─ {source}",
        ]


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


def test_a_closed_pipe_ends_the_answer_quietly():
    run = subprocess.run(
        f"{sys.executable} {SCRIPT} {TABLE} | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert run.stderr == "" and run.stdout.startswith("stand-ins")
