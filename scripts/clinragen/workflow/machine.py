"""Checks of the machine that Snakemake runs on: disk, memory, clock, file system, git."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from clinragen.config.root import Config
from clinragen.workflow.inputs import checkpoints
from clinragen.workflow.slurm import Request
from clinragen.workflow.verdict import Line, ok, problem

GB = 1e9
DATASET_BYTES = 10 * GB  # outputs of a whole MIMIC without checkpoints, estimated from the demo
SPILL_BYTES = 10 * GB  # what extraction spills to TMPDIR (docs/cluster.md)
# Plausible years of the system clock.
YEARS = range(2025, 2100)
SKEW = 2.0  # seconds between clock and file system above which Snakemake may misjudge file times


def disks(config: Config, sizes: dict[str, int]) -> list[Line]:
    """Check the space for results and for what extraction spills to TMPDIR; `sizes`: bytes of each backbone."""
    results = Path(config.pathvars.results)
    real = [d for d in (config.datasets.mimic3, config.datasets.mimic4) if d is not None and d.source == "folder"]
    needed = len(real) * DATASET_BYTES + checkpoint_bytes(config, sizes)
    unknown = [name for name in sizes if not sizes[name]]
    return [
        _space("disk for results", results, needed, "set pathvars to a larger disk", unknown),
        _space(
            "disk for TMPDIR", Path(tempfile.gettempdir()), SPILL_BYTES if real else 0, "set TMPDIR to a larger disk"
        ),
    ]


def checkpoint_bytes(config: Config, sizes: dict[str, int]) -> int:
    """Return the size of all checkpoints in bytes, each shared one once; adapters are ignored as small."""
    paths = (path for path in map(Path, checkpoints(config)) if path.name != "lora")
    return sum(sizes.get(path.parts[3], 0) for path in paths)


def _space(place: str, directory: Path, needed: float, remedy: str, unknown: Sequence[str] = ()) -> Line:
    free = shutil.disk_usage(existing(directory)).free
    words = f"{free / GB:.0f} GB free in {existing(directory)}, about {needed / GB:.0f} GB needed"
    if unknown:
        words += f", and more for checkpoints of {', '.join(unknown)} (size unknown)"
    if free >= needed:
        return ok(place, words)
    # A run that has already begun needs less.
    return Line("warning" if directory.exists() else "problem", place, f"{words}; {remedy}")


def memory(requests: Iterable[Request], slurm: bool) -> Line:
    """Compare the memory of this machine with the largest job that runs on it: without SLURM, any job."""
    local = [request for request in requests if request.local or not slurm]
    largest = max(local, key=lambda request: request.resources.get("mem_mb") or 0)
    total, needed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6, largest.resources["mem_mb"]
    words = f"{total:.0f} MB on this machine, {needed} MB requested by {largest.rule}"
    if total >= needed:
        return ok("memory", words)
    return Line("warning", "memory", f"{words}; use --profile slurm, or a larger machine")


def clock(directory: Path) -> Line:
    """Check that the year is plausible, and that the clock agrees with that of the file system."""
    now = datetime.now(UTC)
    if now.year not in YEARS:
        return problem("clock", f"this machine is in the year {now.year}; set its clock")
    try:
        with tempfile.NamedTemporaryFile(dir=existing(directory)) as file:
            skew = Path(file.name).stat().st_mtime - time.time()
    except OSError as error:
        words = f"not compared with the file system: writing fails in {existing(directory)} ({error.strerror})"
        return Line("skipped", "clock", words)
    if abs(skew) > SKEW:
        words = f"the file system of {existing(directory)} is {skew:+.0f} s off this machine; synchronize both (NTP)"
        return Line("warning", "clock", f"{words}: Snakemake compares times of files")
    return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, in step with the file system")


def file_system(directory: Path) -> Line:
    """Check that the results directory supports what steps rely on: renaming, exclusive creation, locks."""
    parent = existing(directory)
    step = "writing"
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".tmp-check-") as name:
            a, b = Path(name, "a"), Path(name, "b")
            a.mkdir()
            step = "renaming a directory"
            a.rename(b)
            step = "exclusive creation"
            with a.open("x") as file:
                step = "locking (fcntl)"
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return problem("file system", f"{step} fails in {parent} ({error.strerror}); set pathvars to another disk")
    return ok("file system", f"{parent}: renaming, exclusive creation and locks work")


def git_state(root: Path) -> Line:
    """Report the commit that records will name, and whether the checkout has changes."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = len(_git(root, "status", "--porcelain").splitlines())
    except (OSError, subprocess.SubprocessError):
        return Line(
            "warning", "git", f"{root} is not a git repository with a commit; records cannot name the code: clone it"
        )
    if changed:
        words = f"commit {commit} with {changed} changed or new file(s); records will say so, and a release is refused"
        return Line("warning", "git", f"{words}: commit them (config/local.yaml and profiles/ are ignored)")
    return ok("git", f"commit {commit}, no changes")


def _git(root: Path, *command: str) -> str:
    run = subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=True, timeout=20)
    return run.stdout.strip()


def existing(directory: Path) -> Path:
    """Return the directory, or its nearest ancestor that exists."""
    absolute = directory.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())
