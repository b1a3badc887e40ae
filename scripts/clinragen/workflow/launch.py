"""How a training job is started, and the resources that it requests from SLURM."""

from collections.abc import Callable

from clinragen.config.train import Launch

Resources = dict[str, int | str | Callable[..., int | str]]


def launcher(launch: Launch) -> str:
    """Return the command that starts a training script; each job uses its own port, so jobs can share a node.

    On several nodes SLURM starts one torchrun per node. They meet on the first node, where this line is evaluated. Port
    and name differ with every start of the job, so a requeued job never meets leftover processes of its first start.
    """
    if launch.nodes > 1:
        return (
            f"srun --nodes {launch.nodes} --ntasks-per-node 1 --cpus-per-task {launch.processes} --kill-on-bad-exit"
            f" torchrun --nnodes {launch.nodes} --nproc-per-node {launch.processes} --rdzv-backend c10d"
            " --rdzv-id ${SLURM_JOB_ID:?train.launch.nodes needs --profile slurm}-$(date +%s)"
            " --rdzv-endpoint $(hostname):$((20000 + SLURM_JOB_ID % 10000))"
        )
    if launch.processes == 1 and not launch.deepspeed:
        return "python"
    return f"torchrun --standalone --nproc-per-node {launch.processes}"


def gpu_request(launch: Launch, processes: Callable[..., int]) -> Resources:
    """Return the nodes and GPUs of a training job as resources of Snakemake's SLURM executor.

    `processes` maps a job's wildcards to its processes per node; all jobs have the same number of nodes.
    """
    if launch.nodes == 1:
        return {"gpu": processes}
    return {
        "nodes": launch.nodes,
        "gres": lambda wildcards: f"gpu:{processes(wildcards)}",  # per node; `gpu` would be the total, placed anywhere
        "mpi": "srun",  # the job's own command line calls it
        "tasks": launch.nodes,
        "tasks_per_gpu": 0,  # otherwise the executor derives it from `tasks`
    }
