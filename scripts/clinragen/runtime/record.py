"""The provenance record: one JSON file per output, in a `.records` folder beside it."""

import hashlib
import json
import os
import platform
import resource
import secrets
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = ".records"
SCHEMA = 3
LONGEST_LISTING = 100
# Snakemake leaves this file in a folder that a job has made.
SNAKEMAKE_TIMESTAMP = ".snakemake_timestamp"


def record_path(output: Path) -> Path:
    """Where the record of an output lies."""
    return output.parent / FOLDER / f"{output.name}.json"


def read_record(output: Path) -> dict[str, Any] | None:
    """The record of an output, or None where there is none (a raw file, a resource)."""
    path = record_path(output)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_record(output: Path, record: dict[str, Any]) -> None:
    """Write the record of an output, atomically."""
    path = record_path(output)
    path.parent.mkdir(exist_ok=True)
    # Copies of a job on two hosts may have the same process number.
    temporary = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(3)}-{path.name}")
    try:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def describe(path: Path) -> dict[str, Any]:
    """Path, size in bytes and SHA-256 of a file; for a folder, of its sorted listing, which is told if it is short.

    Files by the thousand are named after patients, which a record need not tell.
    """
    if not path.is_dir():
        return {"path": path.as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.name != SNAKEMAKE_TIMESTAMP)
    listing = {p.relative_to(path).as_posix(): sha256(p) for p in files}
    return {
        "path": path.as_posix(),
        "bytes": sum(p.stat().st_size for p in files),
        "sha256": hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest(),
        "files": listing if len(listing) <= LONGEST_LISTING else len(listing),
    }


def identity(path: Path) -> tuple[int, int]:
    """What tells a file or folder from another one that stood under the same name: device and inode."""
    status = path.stat()
    return status.st_dev, status.st_ino


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_memory_mb() -> int:
    """Most memory that this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) // 1024
    # No Linux. This may be the memory of the process that started this one, where that was more.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


@cache
def git_state() -> dict[str, Any]:
    """Commit and dirtiness of the checkout that the code lies in; empty outside a repository."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def environment() -> dict[str, Any]:
    """Python and the versions of the distributions that this process has imported."""
    loaded = {module for module in list(sys.modules) if "." not in module}
    packages = {}
    for folder in (info for place in sys.path for info in Path(place).glob("*.dist-info")):
        # importlib.metadata does the same through 20,000 path objects, a third of a second for every job.
        record = folder / "RECORD"
        files = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
        if loaded & {line.partition("/")[0].partition(".")[0] for line in files}:
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            packages.setdefault(name.lower(), version)
    return {"python": platform.python_version(), "packages": dict(sorted(packages.items()))}


def hardware() -> dict[str, Any]:
    """Machine, processor count, nodes and processes of the step, memory in MB, and GPUs where torch sees some.

    Where a step runs on several nodes, processors, memory and GPUs are those of the first.
    """
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "nodes": int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    slurm = {k: os.environ[k] for k in ("SLURM_JOB_ID", "SLURM_JOB_PARTITION") if k in os.environ}
    return facts | ({"slurm": slurm} if slurm else {})
