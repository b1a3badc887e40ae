"""`snakemake --profile slurm all` on a real SLURM cluster of one node; scripts run in forks, which saves imports."""

from pathlib import Path

import pytest
import yaml
from runs import ROOT, SMALL, copy_of_checkout, overlay, path_with, records, snakemake, succeeded
from served import scripted
from slurm_cluster import cluster, slurm, submit, unavailable

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]

EXTRACT = {"extract_stays", "extract_groups", "extract_diagnoses", "extract_events", "extract_notes"}
TOKENS = {"train_note_tokens", "train_target_tokens"}
GPU = {"train_phase1", "train_phase2", "train_phase3", "evaluate_predict", "planted_predict", "evaluate_bertscore"}


def test_from_raw_files_to_tables_each_job_where_it_belongs(fork_python, tmp_path):
    checkout = copy_of_checkout(tmp_path / "checkout")
    # One dataset, one model: the path to the tables is as long as with all datasets and models.
    models = dict.fromkeys(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["models"])
    del models["clinragen"]
    overlay(checkout / "small.yaml", "results/small", **SMALL | {"datasets": {"mimic4": None}, "models": models})
    command = ("all", "--configfile", "config/demo.yaml", "small.yaml")
    with cluster(tmp_path):
        succeeded(submit(*command, cwd=checkout, PATH=path_with(fork_python.parent)))
        assert "Nothing to be done" in succeeded(submit(*command, cwd=checkout))
    outputs = records(checkout / "results/small")
    assert {"results/small/tables/table1.csv", "results/small/tables/table2.csv"} <= set(outputs)
    jobs = {rule: slurm_job(outputs, rule) for rule in {record["rule"] for record in outputs.values()}}
    benchmark = {rule for rule in jobs if rule.startswith("benchmark_")}
    assert {rule: job["SLURM_JOB_PARTITION"] for rule, job in jobs.items() if job} == (
        dict.fromkeys(GPU, "gpu") | dict.fromkeys(EXTRACT | TOKENS | benchmark, "cpu")
    )
    assert len(benchmark) == 8 and len({jobs[rule]["SLURM_JOB_ID"] for rule in benchmark}) == 1
    assert len({job["SLURM_JOB_ID"] for job in jobs.values() if job}) == len(GPU | EXTRACT | TOKENS) + 1
    times = {path.parent.name for path in Path(checkout, "results/small/timings").rglob("*.jsonl")}
    assert times == set(jobs)


def slurm_job(outputs: dict[str, dict], rule: str) -> dict[str, str]:
    """Return number and partition of the SLURM job of a rule; empty if it ran outside SLURM."""
    (job,) = {tuple(r["hardware"].get("slurm", {}).items()) for r in outputs.values() if r["rule"] == rule}
    return dict(job)


def test_a_model_that_the_job_serves_gets_a_gpu(fork_python, tmp_path):
    weights = tmp_path / "model"
    weights.mkdir()
    for name in ("config.json", "model.safetensors"):
        (weights / name).write_text('{"model_type": "llama"}', encoding="utf-8")
    settings = {
        "answers": str(tmp_path / "answers"),
        "demo": {"patients": {"mimic3": 20}},
        "llms": {"tiny": {"model": str(weights), "server_arguments": []}},
        "llm_transport": {"tiny": {"server": {"command": scripted(tmp_path), "gpus": 2}}},
    }
    overlay(tmp_path / "site.yaml", tmp_path / "results", **settings)
    configuration = ("--configfile", "config/demo.yaml", "tests/served.yaml", tmp_path / "site.yaml", "--")
    directory = tmp_path / "results/mimic3"
    inputs = [directory / f"benchmark/{table}.parquet" for table in ("samples", "courses", "labels")]
    succeeded(snakemake("--cores", "2", *configuration, *inputs, PATH=path_with(fork_python.parent)))
    notes = directory / "rationale/tiny/notes.parquet"
    with cluster(tmp_path):
        succeeded(submit(*configuration, notes))
        job = slurm_job(records(tmp_path / "results"), "rationale_notes")
        shown = slurm("scontrol", "show", "job", job["SLURM_JOB_ID"])
    assert job["SLURM_JOB_PARTITION"] == "gpu" and "=gres:gpu:2" in shown
    assert (tmp_path / "prompts").read_text().count("\n") >= 20
    # The weights were fetched where Snakemake runs.
    assert slurm_job(records(tmp_path / "results"), "llm_weights") == {}
