"""Resource requests of the jobs, and whether the cluster would accept them."""

import re
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Resources that become options of sbatch.
OPTIONS = (
    *("mem_mb", "mem_mb_per_cpu", "runtime", "gpu", "gres", "gpu_model", "nodes", "tasks", "tasks_per_gpu", "mpi"),
    *("tasks_per_node", "cpus_per_task", "slurm_partition", "slurm_account", "constraint", "qos", "slurm_extra"),
)
UNITS = (86400, 3600, 60, 1)  # seconds of the parts of D-HH:MM:SS


class Resources(dict):
    """Resources of a job in the form that Snakemake's SLURM executor reads."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


@dataclass(frozen=True)
class Request:
    """Request of the jobs of one rule: resources by name (memory in MB, run time in minutes) and threads."""

    rule: str
    local: bool  # runs where Snakemake runs
    threads: int
    resources: Resources

    @property
    def partition(self) -> str:
        """The partition; empty for the cluster's default one."""
        return str(self.resources.get("slurm_partition") or "")

    @property
    def gpus(self) -> int:
        """GPUs per node."""
        in_gres = re.fullmatch(r"gpu(?::[^:]+)?:(\d+)", str(self.resources.get("gres") or ""))
        return int(self.resources.get("gpu") or (in_gres[1] if in_gres else 0))


@dataclass(frozen=True)
class Partition:
    """A partition as `scontrol` shows it; `minutes` is None if there is no limit."""

    up: bool
    default: bool
    minutes: float | None


def kinds(requests: Iterable[Request]) -> dict[str, list[Request]]:
    """Group the requests of jobs that go to SLURM by equal resources; keys list the rules of a group."""
    groups: dict[str, list[Request]] = {}
    for request in requests:
        if not request.local:
            groups.setdefault(f"{sorted(request.resources.items())} {request.threads}", []).append(request)
    return {", ".join(request.rule for request in group): group for group in groups.values()}


def sbatch_test(request: Request) -> list[str]:
    """Return the executor's `sbatch` command for a request, with `--test-only`."""
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string

    account = request.resources.get("slurm_account")
    params = {
        "run_uuid": "check",
        "slurm_logfile": "/dev/null",
        "comment_str": f"rule_{request.rule}",
        "account": f"-A {shlex.quote(str(account))}" if account else "",
        "partition": f"-p {shlex.quote(request.partition)}" if request.partition else "",
        "workdir": "",
    }
    call = get_submit_command(request, params) + set_gres_string(request)
    return [*shlex.split(call), "--test-only", "--wrap", "true"]


def refusal(request: Request) -> str | None:
    """Return sbatch's error message for a request that it would refuse, or None."""
    run = subprocess.run(sbatch_test(request), capture_output=True, text=True, timeout=30, check=False)
    words = " ".join(run.stderr.split()).removeprefix("sbatch: ").removeprefix("error: ")
    return None if run.returncode == 0 else words or f"exit status {run.returncode}"


def partitions(shown: str) -> dict[str, Partition]:
    """Parse the output of `scontrol show partition -o` into partitions by name."""
    partitions = {}
    for line in shown.splitlines():
        facts = dict(part.split("=", 1) for part in line.split() if "=" in part)
        if "PartitionName" in facts:
            partitions[facts["PartitionName"]] = Partition(
                up=facts.get("State") == "UP",
                default=facts.get("Default") == "YES",
                minutes=_minutes(facts.get("MaxTime", "UNLIMITED")),
            )
    return partitions


def partition_problem(request: Request, existing: dict[str, Partition]) -> str | None:
    """Return why a request does not fit its partition, with the remedy, or None."""
    default = next((name for name, partition in existing.items() if partition.default), "")
    # SLURM takes the first of several partitions that fits.
    name = next((n for n in (request.partition or default).split(",") if n in existing), request.partition or default)
    if name not in existing:
        names = ", ".join(existing)
        return f"partition {name or '(default)'} does not exist; existing: {names}; edit slurm/config.yaml"
    partition, minutes = existing[name], request.resources.get("runtime") or 0
    if not partition.up:
        return f"partition {name} is not up; choose another one in slurm/config.yaml"
    if partition.minutes is not None and minutes > partition.minutes:
        return (
            f"{minutes} minutes exceed the limit of partition {name} ({partition.minutes:g} minutes); lower "
            "the request (train.request.minutes for trainings) or choose another partition in slurm/config.yaml"
        )
    return None


def _minutes(limit: str) -> float | None:
    """Return a time limit of SLURM, such as 2-00:00:00, in minutes; None if unlimited."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", limit)
    if not match:
        return None
    return sum(int(part or 0) * unit for part, unit in zip(match.groups(), UNITS, strict=True)) / 60
