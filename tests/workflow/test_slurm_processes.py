"""Training in several processes and on several nodes, started by `snakemake --profile slurm` on a real cluster."""

import json

import pytest
import torch
from runs import SMALL, overlay, path_with, records, snakemake, succeeded
from slurm_cluster import cluster, submit, unavailable
from toy_student import losses, weights

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]
MODEL = "mimic3/train/flan-t5-small/diagnoses/seed1/phase1"


@pytest.fixture(scope="module")
def place(fork_python, tmp_path_factory):
    """A cluster of two nodes on this machine, and the inputs of training."""
    directory = tmp_path_factory.mktemp("processes")
    before = [f"mimic3/benchmark/{name}.parquet" for name in ("samples", "labels", "courses")]
    tree = overlay(directory / "small.yaml", directory / "results", **SMALL | {"datasets": {"mimic4": None}})
    made = [directory / "results" / name for name in (*before, "backbones/flan-t5-small")]
    arguments = ("--configfile", "config/demo.yaml", tree, "--cores", "2", "--quiet", "all")
    succeeded(snakemake(*arguments, "--", *made, PATH=path_with(fork_python.parent)))
    (directory / "slurm").mkdir()
    with cluster(directory / "slurm", nodes=2):
        yield directory


def trained(place, launch: dict[str, int]) -> dict:
    """Train phase 1 through the profile; its record."""
    results = place / "results"
    settings = place / "launch.yaml"
    settings.write_text(json.dumps({"train": {"launch": launch}}), encoding="utf-8")
    arguments = ("--configfile", "config/demo.yaml", place / "small.yaml", settings)
    logs = ("--slurm-logdir", place / "slurm-logs")
    output = submit(*arguments, *logs, "--rerun-triggers", "mtime", "--", results / MODEL)
    log = results / "logs/train_phase1/mimic3-flan-t5-small-diagnoses-seed1.log"
    assert output.returncode == 0, output.stdout[-4000:] + log.read_text(encoding="utf-8")
    return records(results)[str(results / MODEL)]


def test_two_processes_on_one_node_and_one_on_each_of_two_learn_the_same(place):
    found = {}
    for nodes, processes in ((1, 2), (2, 1)):
        record = trained(place, {"nodes": nodes, "processes": processes})
        assert (record["hardware"]["nodes"], record["hardware"]["processes"]) == (nodes, 2)
        assert record["hardware"]["slurm"]["SLURM_JOB_PARTITION"] == "gpu"
        found[nodes] = place / f"model-{nodes}"
        (place / "results" / MODEL).rename(found[nodes])
        start = {
            1: "torchrun --standalone --nproc-per-node 2",
            2: "srun --nodes 2 --ntasks-per-node 1 torchrun --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d"
            " --rdzv-endpoint HOST:PORT",
        }[nodes]
        assert " ".join(record["command"]).startswith(f"{start} scripts/train_phase1.py ")
    # Not to the bit: Snakemake gives each process as many threads as its node has processes.
    for key in ("loss", "eval_loss"):
        assert losses(found[1], key) == pytest.approx(losses(found[2], key), rel=1e-5)
    one, two = weights(found[1]), weights(found[2])
    assert one.keys() == two.keys() and all(torch.allclose(one[k], two[k], atol=1e-4) for k in one)
