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

RECORDS = ".records"
SCHEMA = 4
LONGEST_LISTING = 100
# Snakemake leaves this file in an output directory.
SNAKEMAKE_TIMESTAMP = ".snakemake_timestamp"


class File(TypedDict):
    """A file or directory: SHA-256 of its content, or of its sorted listing with the SHA-256 of each file."""

    path: str
    bytes: int
    sha256: str
    files: NotRequired[dict[str, str] | int]
    """Of a directory: its listing, or the number of files if the listing is long."""


class Output(File):
    """A file or directory that a step wrote."""

    sharing: str
    """`shareable` or `restricted`."""
    rows: NotRequired[int]
    """Of a Parquet or Arrow file."""


class Input(File):
    """A file or directory that a step read."""

    made_by: str | None
    """The rule that wrote it; None for a raw file or a resource."""
    record: str | None
    """SHA-256 of its provenance record, which chains all records down to raw files; None without one."""


class StepRecord(TypedDict):
    """The part of a record that all outputs of a step share."""

    schema: int
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
    stand_ins: list[str]
    environment: dict[str, Any]
    hardware: dict[str, Any]
    started: str
    wall_seconds: float
    earlier_seconds: NotRequired[float]
    """Of a job that continued the work of earlier attempts: how long they took for it."""
    peak_memory_mb: int


class Record(StepRecord):
    """How an output was made."""

    output: Output
    rows: list[dict[str, Any]]
    """Inputs of single rows, where these differ."""


def record_path(output: Path) -> Path:
    """Return the path of the record of an output."""
    return output.parent / RECORDS / f"{output.name}.json"


def read_record(output: Path) -> Record | None:
    """Return the record of an output, None without one (a raw file, a resource); UserError as for `load`."""
    path = record_path(output)
    return load(path) if path.is_file() else None


def load(path: Path) -> Record:
    """Read and check a record file; UserError if it is corrupted, incomplete or of another version."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise _unusable(path, "is corrupted") from None
    if problem := _problem_of(content):
        raise _unusable(path, problem)
    record: Record = content
    return record


def record_hash(output: Path) -> str | None:
    """Return the SHA-256 of the record of an output; None without one."""
    path = record_path(output)
    return sha256(path) if path.is_file() else None


def _problem_of(record: Any) -> str | None:
    """Return why the content of a file is not a record of this version."""
    if not isinstance(record, dict) or "schema" not in record:
        return "is not a provenance record"
    if record["schema"] != SCHEMA:
        return f"has record version {record['schema']}, not {SCHEMA}"
    wrong = _wrong_keys(record, Record) or _wrong_keys(record["output"], Output)
    wrong = wrong or {key for used in record["inputs"] for key in _wrong_keys(used, Input)}
    return f"has no valid {', '.join(sorted(wrong))}" if wrong else None


def _unusable(path: Path, problem: str) -> UserError:
    return UserError(f"{path} {problem}; regenerate the output that it describes")


def _wrong_keys(value: Any, kind: Any) -> set[str]:
    """Return the required keys of the TypedDict `kind` that are missing or have a value of another outermost type."""
    if not isinstance(value, dict):
        return {kind.__name__.lower()}
    kinds = {key: kind.__annotations__[key] for key in kind.__required_keys__}
    return {key for key, expected in kinds.items() if key not in value or not isinstance(value[key], _plain(expected))}


def _plain(expected: Any) -> Any:
    """Return an annotation as `isinstance` takes it: `list` for `list[str]`, any number for a float."""
    if expected is float:
        return int | float
    if isinstance(expected, UnionType):
        return expected
    return dict if is_typeddict(expected) else get_origin(expected) or expected


def dump(record: Record) -> bytes:
    """Return the bytes of a record file."""
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def write_record(output: Path, record: Record) -> None:
    """Write the record of an output, atomically."""
    path = record_path(output)
    path.parent.mkdir(exist_ok=True)
    # Copies of a job on two hosts may have the same process ID.
    temporary = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(3)}-{path.name}")
    try:
        temporary.write_bytes(dump(record))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def describe(path: Path) -> File:
    """Return path, size in bytes and SHA-256 of a file, or of the sorted listing of a directory.

    A long listing is omitted: thousands of files are usually named after patients.
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
    """Return device and inode, which change when a file or directory is replaced by another of the same name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_memory_mb() -> int:
    """Return the peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) // 1024
    # Not Linux. This may be the peak of the parent process if that was higher.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


def git_state() -> dict[str, Any]:
    """Return the commit of the checkout and whether it is dirty; empty outside a repository."""
    checkout = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def environment() -> dict[str, Any]:
    """Return the versions of Python and of the distributions that this process has imported."""
    loaded = {module for module in list(sys.modules) if "." not in module}
    packages: dict[str, str] = {}
    for info in (info for entry in sys.path for info in Path(entry).glob("*.dist-info")):
        # importlib.metadata does the same through 20,000 path objects: a third of a second per job.
        record = info / "RECORD"
        files = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
        if loaded & {line.partition("/")[0].partition(".")[0] for line in files}:
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            packages.setdefault(name.lower(), version)
    return {"python": platform.python_version(), "packages": dict(sorted(packages.items()))}


def hardware() -> dict[str, Any]:
    """Return machine, number of processors, nodes and processes of the step, memory in MB, and GPUs if torch sees any.

    If a step runs on several nodes, processors, memory and GPUs are those of the first.
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
