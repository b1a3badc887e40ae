"""The literal `snakemake --profile slurm` on a real SLURM cluster of one node."""

import json

import pytest
from runs import SMALL, jobs, overlay, records, snakemake, succeeded
from slurm_cluster import cluster, unavailable

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A running cluster."""
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.mark.usefixtures("slurm")
def test_jobs_run_on_the_cluster_those_with_a_gpu_on_its_partition(tmp_path):
    results = tmp_path / "results"
    tree = overlay(tmp_path / "small.yaml", results, **SMALL | {"datasets": {"mimic4": None}})
    arguments = ("--profile", "slurm", "--configfile", "config/demo.yaml", tree)
    target = results / "mimic3/train/flan-t5-small/diagnoses/seed1/phase1"
    quick = ("--slurm-init-seconds-before-status-checks", "2", "--slurm-logdir", tmp_path / "slurm-logs")
    # What is made before training runs here: a cluster of two cores would take minutes for seconds of work.
    local = ("--configfile", "config/demo.yaml", tree, "--cores", "2", "--quiet", "all")
    before = [results / f"mimic3/benchmark/{f}.parquet" for f in ("samples", "labels", "courses")]
    succeeded(snakemake(*local, "--", *before, results / "backbones/flan-t5-small"))
    labels = results / "mimic3/benchmark/labels.parquet"
    labels.unlink()
    assert jobs(succeeded(snakemake(*arguments, "--dry-run", "--", target)))["train_phase1"] == 1
    succeeded(snakemake(*arguments, *quick, "--", target))
    found = records(results)
    partitions = {
        rule: found[str(path)]["hardware"].get("slurm", {}).get("SLURM_JOB_PARTITION")
        for rule, path in (("benchmark_labels", labels), ("train_phase1", target))
    }
    assert partitions == {"benchmark_labels": "cpu", "train_phase1": "gpu"}
    times = results / "benchmarks/train_phase1/mimic3-flan-t5-small-diagnoses-seed1.jsonl"
    assert json.loads(times.read_text(encoding="utf-8").splitlines()[-1])["s"] > 0
