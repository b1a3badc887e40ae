"""Jobs on a real SLURM cluster of one node; tests/journeys/test_researcher.py runs the whole workflow there."""

import pytest
from runs import overlay, path_with, records, snakemake, succeeded
from served import scripted
from slurm_cluster import cluster, slurm, submit, unavailable

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]


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


def slurm_job(outputs: dict[str, dict], rule: str) -> dict[str, str]:
    """Return number and partition of the SLURM job of a rule; empty if it ran outside SLURM."""
    (job,) = {tuple(r["hardware"].get("slurm", {}).items()) for r in outputs.values() if r["rule"] == rule}
    return dict(job)
