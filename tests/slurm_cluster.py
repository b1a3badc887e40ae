"""A SLURM cluster of one node or several on this machine, for tests: real daemons, pretended GPUs, no systemd.

Needs root and the Debian packages slurm-wlm and munge. Jobs look for the configuration in /etc/slurm, so it
stands there while the cluster runs; a machine that has one of its own is left alone.
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

import psutil

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
ETC = Path("/etc/slurm")
LOCK = Path(tempfile.gettempdir(), "clinragen-slurm-tests.lock")
MARK = "# Made by a test, which removes it."
PROFILE = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2")
"""The profile as it is, but for looking at jobs sooner than at those of a real cluster, which take hours."""
# The node says that it is larger than most machines that run tests; nothing holds jobs to what they ask for.
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
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
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
    """Why no cluster can be started here, or None."""
    missing = [p for p in PROGRAMS if shutil.which(p, path=PATH) is None]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)})"
    if os.geteuid() != 0:
        return "starting a SLURM cluster needs root"
    present = ETC / "slurm.conf"
    if present.is_file() and not present.read_text().startswith(MARK):
        return "this machine has a SLURM configuration of its own"
    return None


@dataclass
class Cluster:
    """The running daemons."""

    folder: Path
    daemons: dict[str, subprocess.Popen]

    def start(self, name: str, *options: str) -> None:
        """Start a daemon, which is then called by its name and options."""
        path, command = os.environ | {"PATH": PATH}, [name, "-D", *options]
        self.daemons[" ".join([name, *options])] = subprocess.Popen(command, env=path, stderr=subprocess.DEVNULL)

    def kill(self, name: str) -> None:
        """Kill a daemon without a chance to save anything."""
        self.daemons[name].kill()
        self.daemons[name].wait()

    def cut_power(self) -> None:
        """Kill the daemon of the node and all that runs in jobs."""
        self.kill("slurmd")
        steps = tuple(f"slurmstepd: [{job}." for job in slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i").split())
        found = [p for p in psutil.process_iter(["cmdline"]) if " ".join(p.info["cmdline"] or ()).startswith(steps)]
        for process in [child for step in found for child in (step, *step.children(recursive=True))]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def wait_until_up(self) -> None:
        """Wait until the node takes jobs."""

        def up() -> bool:
            return slurm("sinfo", "-h", "-p", "gpu", "-o", "%T") in ("idle", "mixed")

        try:
            wait_for(up, 30)
        except TimeoutError:
            logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in self.folder.glob("*.log"))
            raise RuntimeError(f"the SLURM node did not come up:\n{logs}") from None


@contextmanager
def cluster(folder: Path, nodes: int = 1) -> Iterator[Cluster]:
    """Start the daemons, and stop what was started; one cluster a machine, others wait for their turn.

    Of several nodes all are this machine, each with a daemon of its own.
    """
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _munge()
        host = socket.gethostname().split(".")[0]
        names = [host, *(f"{host}-{n}" for n in range(2, nodes + 1))]
        for name in ("state", *(f"spool-{name}" for name in names)):
            (folder / name).mkdir()
        lines = "\n".join(NODE.format(name=n, host=host, port=_free_port(), gpus=len(GPUS)) for n in names)
        ETC.mkdir(exist_ok=True)
        (ETC / "slurm.conf").write_text(MARK + CONFIG.format(host=host, folder=folder, port=_free_port(), nodes=lines))
        gpus = [f"Name=gpu File={device}" for device in GPUS]
        (ETC / "gres.conf").write_text("\n".join([MARK, *gpus, ""]))
        running = Cluster(folder, {})
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


def slurm(*command: str) -> str:
    """What a command of SLURM prints, without the space around it."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def wait_for(what: Callable[[], object], seconds: float) -> object:
    """Wait until something is true, and return it."""
    limit = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > limit:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return found


def _munge() -> None:
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    # systemd would make this folder.
    subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "0755", "/run/munge"], check=True)
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
