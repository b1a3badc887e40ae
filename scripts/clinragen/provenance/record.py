"""The provenance record: one JSON file per output, in a `.records` directory next to it."""

import hashlib
import json
import os
import platform
import resource
import secrets
import subprocess
import sys
from pathlib import Path
from types import UnionType
from typing import Any, NotRequired, TypedDict, get_origin, is_typeddict

from clinragen.errors import UserError

FOLDER = ".records"
SCHEMA = 4
LONGEST_LISTING = 100
# Snakemake leaves this file in a directory that a job has made.
SNAKEMAKE_TIMESTAMP = ".snakemake_timestamp"


class File(TypedDict):
    """A file or directory: SHA-256 of its content, or of its sorted listing with the SHA-256 of each file."""

    path: str
    bytes: int
    sha256: str
    files: NotRequired[dict[str, str] | int]
    """Of a directory: its listing, or the number of files where the listing is long."""


class Output(File):
    """What a step wrote."""

    sharing: str
    """`shareable` or `restricted`."""
    rows: NotRequired[int]
    """Of a Parquet or Arrow file."""


class Input(File):
    """What a step read."""

    made_by: str | None
    """The rule that made it; None for a raw file or a resource."""
    record: str | None
    """SHA-256 of its provenance record, which chains all records down to raw files; None without one."""


class Record(TypedDict):
    """How an output was made."""

    schema: int
    output: Output
    rule: str
    command: list[str]
    code_digest: str
    code: dict[str, str]
    runtime_digest: str
    git: dict[str, Any]
    settings: dict[str, Any]
    seed: int | None
    inputs: list[Input]
    facts: dict[str, list[str] | dict[str, Any]]
    rows: list[dict[str, Any]]
    stand_ins: list[str]
    environment: dict[str, Any]
    hardware: dict[str, Any]
    started: str
    wall_seconds: float
    peak_memory_mb: int


def record_path(output: Path) -> Path:
    """Path of the record of an output."""
    return output.parent / FOLDER / f"{output.name}.json"


def read_record(output: Path) -> Record | None:
    """The record of an output, or None where there is none (a raw file, a resource); UserError as `load`."""
    path = record_path(output)
    return load(path) if path.is_file() else None


def load(path: Path) -> Record:
    """Read and check a record file; UserError if it is corrupted, incomplete or of another version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise _unusable(path, "is corrupted") from None
    if not isinstance(record, dict) or "schema" not in record:
        raise _unusable(path, "is not a provenance record")
    if record["schema"] != SCHEMA:
        raise _unusable(path, f"has record version {record['schema']}, not {SCHEMA}")
    wrong = _wrong_keys(record, Record) or _wrong_keys(record["output"], Output)
    wrong = wrong or {key for used in record["inputs"] for key in _wrong_keys(used, Input)}
    if wrong:
        raise _unusable(path, f"has no valid {', '.join(sorted(wrong))}")
    return record


def record_hash(output: Path) -> str | None:
    """SHA-256 of the record of an output; None without one."""
    path = record_path(output)
    return sha256(path) if path.is_file() else None


def _unusable(path: Path, fact: str) -> UserError:
    return UserError(f"{path} {fact}; regenerate the output that it describes")


def _wrong_keys(value: Any, kind: type) -> set[str]:
    """Required keys of a TypedDict that are missing, or whose values are of another type on the outermost level."""
    if not isinstance(value, dict):
        return {kind.__name__.lower()}
    kinds = {key: kind.__annotations__[key] for key in kind.__required_keys__}
    return {key for key, expected in kinds.items() if key not in value or not isinstance(value[key], _plain(expected))}


def _plain(expected: Any) -> Any:
    """What `isinstance` takes for an annotation: `list` for `list[str]`, a number for a float."""
    if expected is float:
        return int | float
    if isinstance(expected, UnionType):
        return expected
    return dict if is_typeddict(expected) else get_origin(expected) or expected


def dump(record: Record) -> bytes:
    """The bytes of a record file."""
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def write_record(output: Path, record: Record) -> None:
    """Write the record of an output, atomically."""
    path = record_path(output)
    path.parent.mkdir(exist_ok=True)
    # Copies of a job on two hosts may have the same process number.
    temporary = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(3)}-{path.name}")
    try:
        temporary.write_bytes(dump(record))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def describe(path: Path) -> File:
    """Path, size in bytes and SHA-256 of a file, or of the sorted listing of a directory.

    A long listing is left out: files by the thousand are named after patients.
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
    """Device and inode: they differ for a file or directory that replaced another one of the same name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_memory_mb() -> int:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) // 1024
    # No Linux. This may be the memory of the process that started this one, where that was more.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


def git_state() -> dict[str, Any]:
    """Commit of the checkout and whether it is dirty; empty outside a repository."""
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
