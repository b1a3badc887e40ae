"""A SLURM cluster of one or several nodes on this machine, for tests: real daemons, fake GPUs, no systemd.

Needs root and the Debian packages slurm-wlm and munge. Jobs look for the configuration in /etc/slurm, so it is put
there while the cluster runs; a machine that already has a configuration is left alone.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import runs

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
ETC = Path("/etc/slurm")
LOCK = Path(tempfile.gettempdir(), "clinragen-slurm-tests.lock")
MARK = "# Made by a test, which removes it."
PROFILE = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2")
"""The profile, except that jobs are checked sooner than on a real cluster, where they take hours."""
OFTEN = ("--max-status-checks-per-second", "10")
ASKING_OFTEN = {"program": (str(Path(__file__).with_name("snakemake_asking_often.py")),)}
# The node claims to be larger than most machines that run tests; nothing enforces the requests of jobs.
GPUS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
SlurmctldPort={port}
SlurmdParameters=config_overrides
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
JobRequeue=0
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge=3600
SlurmdTimeout=60
{nodes}
PartitionName=DEFAULT Nodes=ALL MaxTime=INFINITE State=UP
PartitionName=cpu Default=YES
PartitionName=gpu PriorityTier=1
PartitionName=urgent PriorityTier=10
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=64000 Gres=gpu:{gpus}"


def unavailable() -> str | None:
    """Return why no cluster can be started here, or None."""
    missing = [p for p in PROGRAMS if shutil.which(p, path=PATH) is None]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)})"
    if os.geteuid() != 0:
        return "starting a SLURM cluster needs root"
    present = ETC / "slurm.conf"
    if present.is_file() and not present.read_text().startswith(MARK):
        return "this machine has its own SLURM configuration"
    return None


@dataclass
class Cluster:
    """The running daemons."""

    directory: Path
    daemons: dict[str, subprocess.Popen]

    def start(self, name: str, *options: str) -> None:
        """Start a daemon; it is later referred to by its name and options."""
        path, command = os.environ | {"PATH": PATH}, [name, "-D", *options]
        self.daemons[" ".join([name, *options])] = subprocess.Popen(command, env=path, stderr=subprocess.DEVNULL)

    def kill(self, name: str) -> None:
        """Kill a daemon so that it cannot save anything."""
        self.daemons[name].kill()
        self.daemons[name].wait()

    def cut_power(self) -> None:
        """Kill the daemon of the node and all processes of jobs."""
        self.kill("slurmd")
        steps = tuple(f"slurmstepd: [{job}." for job in slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i").split())
        found = [p for p in psutil.process_iter(["cmdline"]) if " ".join(p.info["cmdline"] or ()).startswith(steps)]
        for process in [child for step in found for child in (step, *step.children(recursive=True))]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def wait_until_up(self) -> None:
        """Wait until the node accepts jobs."""

        def up() -> bool:
            return slurm("sinfo", "-h", "-p", "gpu", "-o", "%T") in ("idle", "mixed")

        try:
            wait_for(up, 30)
        except TimeoutError:
            logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in self.directory.glob("*.log"))
            raise RuntimeError(f"the SLURM node did not come up:\n{logs}") from None


@contextmanager
def cluster(directory: Path, nodes: int = 1) -> Iterator[Cluster]:
    """Start the daemons, and stop them in the end; a machine has one cluster at a time, others wait.

    Several nodes are all this machine, each with a separate daemon.
    """
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _munge()
        host = socket.gethostname().split(".")[0]
        names = [host, *(f"{host}-{n}" for n in range(2, nodes + 1))]
        for name in ("state", *(f"spool-{name}" for name in names)):
            (directory / name).mkdir()
        lines = "\n".join(NODE.format(name=n, host=host, port=_free_port(), gpus=len(GPUS)) for n in names)
        ETC.mkdir(exist_ok=True)
        (ETC / "slurm.conf").write_text(
            MARK + CONFIG.format(host=host, directory=directory, port=_free_port(), nodes=lines)
        )
        gpus = [f"Name=gpu File={device}" for device in GPUS]
        (ETC / "gres.conf").write_text("\n".join([MARK, *gpus, ""]))
        running = Cluster(directory, {})
        try:
            running.start("slurmctld")
            running.start("slurmd")
            for name in names[1:]:
                running.start("slurmd", "-N", name)
            running.wait_until_up()
            yield running
            slurm("scancel", "--user=root")
            wait_for(lambda: not slurm("squeue", "-h"), 60)
        finally:
            for daemon in reversed(running.daemons.values()):
                daemon.terminate()
                daemon.wait(timeout=20)
            for name in ("slurm.conf", "gres.conf"):
                (ETC / name).unlink()


def submit(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Snakemake with the profile, except that it asks for its jobs every second."""
    return runs.snakemake(*PROFILE, *OFTEN, *arguments, **ASKING_OFTEN, **options)


def submitting(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start the same in the background."""
    return runs.started(*PROFILE, *OFTEN, *arguments, **ASKING_OFTEN, **options)


def slurm(*command: str) -> str:
    """Return the stripped output of a SLURM command."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def wait_for(what: Callable[[], object], seconds: float) -> object:
    """Wait until a condition is true, and return its value."""
    limit = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > limit:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return value


def _munge() -> None:
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    # systemd would make this directory.
    subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "0755", "/run/munge"], check=True)
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
