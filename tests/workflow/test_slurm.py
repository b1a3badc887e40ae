"""`snakemake --profile slurm all` on a real SLURM cluster of one node."""

from pathlib import Path

import pytest
import yaml
from runs import ROOT, SMALL, copy_of_checkout, overlay, records, snakemake, succeeded
from slurm_cluster import PROFILE, cluster, unavailable

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]

EXTRACT = {"extract_stays", "extract_diagnoses", "extract_events", "extract_notes"}
GPU = {"train_phase1", "train_phase2", "train_phase3", "evaluate_predict", "planted_predict"}


def test_from_raw_files_to_tables_each_job_where_it_belongs(tmp_path):
    checkout = copy_of_checkout(tmp_path / "checkout")
    # One dataset, one model: the path to the tables is as long as with all of them.
    models = dict.fromkeys(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["models"])
    del models["clinragen"]
    overlay(checkout / "small.yaml", "results/small", **SMALL | {"datasets": {"mimic4": None}, "models": models})
    command = (*PROFILE, "all", "--configfile", "config/demo.yaml", "small.yaml")
    with cluster(tmp_path):
        succeeded(snakemake(*command, cwd=checkout))
        assert "Nothing to be done" in succeeded(snakemake(*command, cwd=checkout))
    found = records(checkout / "results/small")
    assert {"results/small/tables/table1.csv", "results/small/tables/table2.csv"} <= set(found)
    jobs = {rule: slurm_job(found, rule) for rule in {r["rule"] for r in found.values()}}
    benchmark = {rule for rule in jobs if rule.startswith("benchmark_")}
    assert {rule: job["SLURM_JOB_PARTITION"] for rule, job in jobs.items() if job} == (
        dict.fromkeys(GPU, "gpu") | dict.fromkeys(EXTRACT | benchmark, "cpu")
    )
    assert len(benchmark) == 8 and len({jobs[rule]["SLURM_JOB_ID"] for rule in benchmark}) == 1
    assert len({job["SLURM_JOB_ID"] for job in jobs.values() if job}) == len(GPU) + len(EXTRACT) + 1
    times = {path.parent.name for path in Path(checkout, "results/small/timings").rglob("*.jsonl")}
    assert times == set(jobs)


def slurm_job(found: dict[str, dict], rule: str) -> dict[str, str]:
    """Number and partition of the SLURM job of a rule; empty where it ran without."""
    (job,) = {tuple(r["hardware"].get("slurm", {}).items()) for r in found.values() if r["rule"] == rule}
    return dict(job)
