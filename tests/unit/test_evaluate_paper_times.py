"""The paper's Table 3: times of the jobs of a tree, from timings and records."""

import json
import re
from pathlib import Path

import pytest
import tiny_tree
from pages import templates
from toy_student import ROOT

from clinragen.config.paper import Configured, TimedJob
from clinragen.errors import UserError
from clinragen.evaluate.paper.forms import to_latex, to_markdown
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.times import RETRIEVAL, answers_of, read_paper_times, read_times, times_table, timing_path
from clinragen.evaluate.paper.times_page import duration, shown, times_page
from clinragen.registry.paper_rows import read_paper_rows
from clinragen.schemas.costs import COSTS
from clinragen.schemas.paper import TIMES

RESULTS = Path("results/x")
TUNING = "ClinRaGen - 84M Tuning"
A100 = {"cpus": 16, "memory_mb": 512 * 1024, "gpus": ["NVIDIA A100"] * 2, "nodes": 1}
HOW = Missing(
    read_paper_rows(ROOT / "resources/paper_rows.csv", 3),
    Configured(datasets=["MIMIC-III", "MIMIC-IV"], keys=["models.clinragen"]),
)


def job(path: str, rule: str, stage: str, dataset: str | None, seed: int | None, seconds: float, timing=None, **facts):
    """An output with its record, and the timing of its job unless that is None."""
    tiny_tree.make(f"{RESULTS}/{path}", rule, [], **({"wall_seconds": seconds} | facts))
    if timing is not None:
        file = timing_path(RESULTS / "timings", RESULTS, RESULTS / path, rule)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{json.dumps(line)}\n" for line in timing), encoding="utf-8")
    return RESULTS / path, TimedJob(stage=stage, dataset=dataset, seed=seed)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(jobs, costs=()):
    outputs, found = [path for path, _ in jobs], [job for _, job in jobs]
    paper = read_paper_times(ROOT / "resources/paper_table3.csv")
    made = times_table(paper, read_times(found, outputs, RESULTS / "timings", RESULTS), list(costs), HOW)
    return {(row["stage"], row["dataset"]): row for row in TIMES.check(made, "test").to_pylist()}, made


def trainings(**facts):
    """Three phases of two seeds on both datasets: 10 s a phase in the record, 20 s and 5 s of CPU in the timing."""
    directory = "train/flan-t5-small/rationales-t"
    return [
        job(
            f"{code}/{directory}{'' if n == 1 else '-knowledge'}/seed{seed}/phase{n}",
            f"train_phase{n}",
            *(TUNING, title, seed, 10.0, [{"s": 999.0, "cpu_time": 1.0}, {"s": 20.0, "cpu_time": 5.0}]),
            **facts,
        )
        for code, title in (("mimic3", "MIMIC-III"), ("mimic4", "MIMIC-IV"))
        for seed in (1, 2)
        for n in (1, 2, 3)
    ]


def test_times_add_up_over_jobs_and_are_the_mean_over_seeds(tree):
    rows, _ = table(trainings(hardware=A100))
    whole, one = rows[TUNING, "all"], rows[TUNING, "MIMIC-III"]
    # The last run of a job counts: 3 phases of 20 s and two datasets.
    assert (whole["jobs"], whole["runs"], whole["wall_seconds"], whole["cpu_seconds"]) == (12, 2, 120.0, 30.0)
    assert (one["jobs"], one["wall_seconds"], one["cpu_seconds"], one["paper_seconds"]) == (6, 60.0, 15.0, None)
    assert (whole["hardware"], whole["paper_seconds"]) == ("2 x NVIDIA A100, 16 CPUs, 512 GB", 94623.0)
    assert (whole["verdict"], whole["stand_ins"], whole["make"]) == ("not comparable", None, None)


def test_without_timings_the_record_has_the_wall_time_and_there_is_no_cpu_time(tree):
    output, found = job("knowledge/terms.parquet", "knowledge_terms", RETRIEVAL, None, None, 12.5)
    rows, _ = table([(output, found)])
    row = rows[RETRIEVAL, "all"]
    assert (row["wall_seconds"], row["cpu_seconds"], row["hardware"]) == (12.5, None, "2 CPUs")
    for torn in ("", "{", "[1]\n", '{"s": "NA"}\n'):
        (RESULTS / "timings/knowledge_terms").mkdir(parents=True, exist_ok=True)
        (RESULTS / "timings/knowledge_terms/all.jsonl").write_text(torn, encoding="utf-8")
        assert table([(output, found)])[0][RETRIEVAL, "all"]["wall_seconds"] == 12.5


def test_earlier_attempts_of_a_resumed_training_count_without_cpu_time(tree):
    found, _ = table(trainings(earlier_seconds=100.0))
    row = found[TUNING, "all"]
    assert (row["wall_seconds"], row["cpu_seconds"]) == (720.0, None)


def test_cpu_time_that_was_not_sampled_leaves_the_sum_empty(tree):
    first = job(
        "knowledge/pubmed.parquet", "knowledge_documents", RETRIEVAL, None, None, 1.0, [{"s": 2.0, "cpu_time": 1.0}]
    )
    second = job(
        "knowledge/terms.parquet", "knowledge_terms", RETRIEVAL, None, None, 1.0, [{"s": 3.0, "cpu_time": "NA"}]
    )
    row = table([first, second])[0][RETRIEVAL, "all"]
    assert (row["wall_seconds"], row["cpu_seconds"]) == (5.0, None)


def test_stages_without_jobs_stay_and_say_how_to_make_them(tree):
    rows, _ = table(trainings())
    llama = rows["LlaMA - 7B Tuning", "all"]
    assert (llama["jobs"], llama["runs"], llama["verdict"], llama["wall_seconds"]) == (0, 0, "missing", None)
    assert "models.llama-ft" in llama["make"] and llama["paper_seconds"] == 259113.0
    assert set(rows) == {(stage, "all") for stage in HOW_STAGES} | {(TUNING, "MIMIC-III"), (TUNING, "MIMIC-IV")}


HOW_STAGES = [row.model for row in HOW.rows]


def test_waiting_and_money_come_from_the_costs_of_the_teacher_alone(tree, tmp_path):
    names = COSTS.schema.names
    numbers = {name: 0 for name in names} | {"provider": "openai", "model": "m", "served_models": None, "marked": 0.0}
    rows = [
        numbers | {"stage": "note_rationale", "dataset": "mimic3", "llm": "t", "seconds": 100.0, "dollars": 1.5},
        numbers | {"stage": "lab_rationale", "dataset": "mimic4", "llm": "t", "seconds": 50.0, "dollars": 0.5},
        numbers | {"stage": "note_rationale", "dataset": "mimic3", "llm": "other", "seconds": 7.0, "dollars": 9.0},
        numbers | {"stage": "terms", "dataset": None, "llm": "other", "seconds": 3.0, "dollars": None},
        numbers | {"stage": "asked/x", "dataset": "mimic3", "llm": "t", "seconds": 1000.0, "dollars": 1000.0},
    ]
    COSTS.write(type(COSTS.schema.empty_table()).from_pylist(rows, COSTS.schema), tmp_path / "costs.csv")
    teaching = "LLM-Guided Rationale Generation"
    made = [
        job(f"{code}/rationale/t/notes.parquet", "rationale_notes", teaching, title, None, 4.0)
        for code, title in (("mimic3", "MIMIC-III"), ("mimic4", "MIMIC-IV"))
    ]
    made.append(job("knowledge/terms.parquet", "knowledge_terms", RETRIEVAL, None, None, 2.0))
    rows, _ = table(made, answers_of([tmp_path / "costs.csv"], "t"))
    found = {key: (rows[key]["answer_seconds"], rows[key]["dollars"]) for key in rows if rows[key]["jobs"]}
    assert found == {
        (teaching, "all"): (150.0, 2.0),
        (teaching, "MIMIC-III"): (100.0, 1.5),
        (teaching, "MIMIC-IV"): (50.0, 0.5),
        (RETRIEVAL, "all"): (3.0, None),  # an unknown price leaves the money empty
    }


def test_an_output_without_a_record_is_rejected(tree):
    output, found = job("knowledge/terms.parquet", "knowledge_terms", RETRIEVAL, None, None, 1.0)
    (RESULTS / "knowledge/.records/terms.parquet.json").unlink()
    with pytest.raises(UserError, match=r"terms.parquet has no provenance record"):
        read_times([found], [output], RESULTS / "timings", RESULTS)


WILDCARDS = {
    "dataset": "mimic3",
    "backbone": "qwen2.5-0.5b",
    "target": "rationales-t",
    "vocabulary": "knowledge",
    "variant": "+x",
    "seed": "3",
    "teacher": "t",
    "parts": "note-captions",
    "documents": "vocab",
    "source": "pubmed",
    "shard": "2-of-4",
}
TIMED = {
    **{f"train_{stage}": "train" for stage in ("phase1", "phase2", "phase3", "joint", "lora", "frozen")},
    **dict.fromkeys(("rationale_notes", "rationale_labs"), "rationale"),
    **dict.fromkeys(("knowledge_documents", "knowledge_terms", "knowledge_vocabulary"), "knowledge"),
}


@pytest.mark.parametrize("rule", TIMED)
@pytest.mark.parametrize("sharded", [False, True])
def test_the_timing_of_an_output_is_where_its_rule_writes_it(rule, sharded):
    text = (ROOT / f"rules/{TIMED[rule]}.smk").read_text(encoding="utf-8")
    head = rf"\n *(?:use rule \w+ as {rule} with|rule {rule}):\n"
    body = re.search(rf"{head}(.*?)(?=\n *(?:use )?rule |\Z)", text, re.DOTALL)[1]
    made = re.search(r'output:\n.*?"(<results>/[^"]+)"', body, re.DOTALL)[1]
    timing = re.search(r'benchmark:\n.*?"(<timings>/[^"]+)"', body, re.DOTALL)[1]
    if sharded:
        if TIMED[rule] != "rationale":
            return
        made, timing = (re.sub(r"\.(\w+)$", r"/{shard}.\1", path) for path in (made, timing))
    made, timing = (path.format(**WILDCARDS) for path in (made, timing))
    output = Path(made.replace("<results>", "results/x"))
    assert timing_path(Path("t"), RESULTS, output, rule).as_posix() == timing.replace("<timings>", "t")


def test_the_page_and_the_text_forms_show_hours_machines_and_missing_stages(tree):
    _, made = table(trainings(hardware=A100, stand_ins=["<i>tiny</i>"]))
    page = times_page(made, templates("times"))
    assert "259,113 s (72.0 h)" in page and "2 x NVIDIA A100" in page and "models.llama-ft" in page
    assert "&lt;i&gt;tiny&lt;/i&gt;" in page and "<i>tiny" not in page
    assert "120.0 s" in to_markdown(shown(made)) and r"\begin{tabular}" in to_latex(shown(made))
    assert (duration(None), duration(59.96), duration(7200)) == ("–", "60.0 s", "7,200 s (2.0 h)")
