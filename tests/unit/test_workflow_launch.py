"""How a training is started and what it requests, for every shape of `train.launch`."""

import subprocess

import pytest

from clinragen.config.train import Launch
from clinragen.workflow.launch import gpu_request, launcher


@pytest.mark.parametrize(
    ("processes", "deepspeed", "expected"),
    [
        (1, False, "python"),
        (1, True, "torchrun --standalone --nproc-per-node 1"),
        (4, False, "torchrun --standalone --nproc-per-node 4"),
    ],
)
def test_on_one_node(processes, deepspeed, expected):
    launch = Launch(
        device="cpu", nodes=1, processes=processes, micro_batch_tokens=1, fit_memory=False, deepspeed=deepspeed
    )
    assert launcher(launch) == expected
    assert gpu_request(launch) == {"gpu": processes}


def test_on_several_nodes_slurm_starts_a_torchrun_on_each_of_them():
    launch = Launch(device="cpu", nodes=2, processes=4, micro_batch_tokens=1, fit_memory=False, deepspeed=True)
    command = launcher(launch)
    assert command.startswith("srun --nodes 2 --ntasks-per-node 1 ") and " --nproc-per-node 4 " in command
    request = gpu_request(launch)
    assert (request["nodes"], request["gres"], request["tasks"]) == (2, "gpu:4", 2)
    assert "gpu" not in request, "the executor takes either gres or gpu"


def test_several_nodes_without_slurm_say_what_is_needed():
    command = launcher(
        Launch(device="cpu", nodes=2, processes=1, micro_batch_tokens=1, fit_memory=False, deepspeed=False)
    )
    run = subprocess.run(["bash", "-c", f"unset SLURM_JOB_ID; echo {command}"], capture_output=True, text=True)
    assert run.returncode != 0 and "train.launch.nodes needs --profile slurm" in run.stderr
