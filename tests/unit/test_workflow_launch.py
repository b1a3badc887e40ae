"""How a training is started and what it requests, for every shape of `train.launch`."""

import subprocess
from types import SimpleNamespace

import pytest
from toy_student import LAUNCH

from clinragen.workflow.launch import gpu_request, launcher


def of_job(wildcards: SimpleNamespace) -> int:
    """Return the processes of a job, by its wildcards."""
    return wildcards.processes


@pytest.mark.parametrize(
    ("processes", "deepspeed", "expected"),
    [
        (1, False, "python"),
        (1, True, "torchrun --standalone --nproc-per-node 1"),
        (4, False, "torchrun --standalone --nproc-per-node 4"),
    ],
)
def test_on_one_node(processes, deepspeed, expected):
    launch = LAUNCH.with_values_of({"processes": processes, "deepspeed": deepspeed})
    assert launcher(launch) == expected
    assert gpu_request(launch, of_job)["gpu"](SimpleNamespace(processes=3)) == 3


def test_on_several_nodes_slurm_starts_a_torchrun_on_each_of_them():
    launch = LAUNCH.with_values_of({"nodes": 2, "processes": 4, "deepspeed": True})
    command = launcher(launch)
    assert command.startswith("srun --nodes 2 --ntasks-per-node 1 ") and " --nproc-per-node 4 " in command
    request = gpu_request(launch, of_job)
    assert (request["nodes"], request["gres"](SimpleNamespace(processes=4)), request["tasks"]) == (2, "gpu:4", 2)
    assert "gpu" not in request, "the executor takes either gres or gpu"


def test_several_nodes_without_slurm_say_what_is_needed():
    command = launcher(LAUNCH.with_values_of({"nodes": 2}))
    run = subprocess.run(["bash", "-c", f"unset SLURM_JOB_ID; echo {command}"], capture_output=True, text=True)
    assert run.returncode != 0 and "train.launch.nodes needs --profile slurm" in run.stderr
