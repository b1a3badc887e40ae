"""A SLURM cluster of one node on this machine, for tests: real daemons, a pretended GPU, no systemd.

Needs root and the Debian packages slurm-wlm and munge. Jobs look for the configuration in /etc/slurm, so it
stands there while the cluster runs; a machine that has one of its own is left alone.
"""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
ETC = Path("/etc/slurm")
MARK = "# Made by a test, which removes it."
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
SlurmctldPort={port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge=3600
SlurmdTimeout=60
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


def unavailable() -> str | None:
    """Why no cluster can be started here, or None."""
    missing = [p for p in PROGRAMS if shutil.which(p, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)})"
    if os.geteuid() != 0:
        return "starting a SLURM cluster needs root"
    present = ETC / "slurm.conf"
    if present.is_file() and not present.read_text().startswith(MARK):
        return "this machine has a SLURM configuration of its own"
    return None


@contextmanager
def cluster(folder: Path):
    """Start the daemons, and stop what was started."""
    _munge()
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
    for name in ("state", "spool"):
        (folder / name).mkdir()
    ports = {"port": _free_port(), "node_port": _free_port()}
    text = CONFIG.format(host=host, folder=folder, cpus=os.cpu_count(), memory=memory, **ports)
    ETC.mkdir(exist_ok=True)
    (ETC / "slurm.conf").write_text(MARK + text)
    (ETC / "gres.conf").write_text(f"{MARK}\nNodeName={host} Name=gpu File=/dev/null\n")
    path = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    daemons = [subprocess.Popen([name, "-D"], env=path, stderr=subprocess.DEVNULL) for name in ("slurmctld", "slurmd")]
    try:
        _wait_until_idle(folder)
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], check=False, capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=20)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink()


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


def _wait_until_idle(folder: Path) -> None:
    for _ in range(150):
        sinfo = ["sinfo", "-h", "-p", "gpu", "-o", "%T"]
        state = subprocess.run(sinfo, capture_output=True, text=True, check=False)
        if state.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in folder.glob("*.log"))
    raise RuntimeError(f"the SLURM node did not come up:\n{logs}")
