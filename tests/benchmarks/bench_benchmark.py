"""Speed of the benchmark pipeline, in one run on the same files: bounds, ours, mimic3-benchmarks, growth.

`make bench RAW=<directory of the open MIMIC-III demo>` runs it; docs/performance.md explains what is measured.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

from runs import ROOT, overlay

# What a model reads, and with it all that comes before.
TARGETS = ("labels.parquet", "split.parquet", "series_train.arrow", "series_validation.arrow", "series_test.arrow")
# A limit that both sizes reach: growth is measured at the same memory.
MEMORY_LIMIT_MB = 600
REFERENCE_STEPS = {
    "extract_subjects": ("{raw}", "{out}/root"),
    "validate_events": ("{out}/root",),
    "extract_episodes_from_subjects": ("{out}/root",),
    "split_train_and_test": ("{out}/root",),
    "create_phenotyping": ("{out}/root", "{out}/phenotyping"),
}
# The least that any reader of the chart events has to do: decode the file and look at one column.
SCAN = """
import sys; from pathlib import Path
from clinragen.extract.events import read_items
from clinragen.extract.sources import RawTables
raw = RawTables([Path(sys.argv[1])], memory_limit_mb=4000, threads=int(sys.argv[2]))
items = ", ".join(map(str, read_items(Path("resources/items.csv"), "mimic3", True)["itemid"].to_pylist()))
print(raw.row(f"SELECT count(*) FROM raw_chartevents WHERE itemid IN ({items})")[0])
"""
PAGE = ROOT / "docs" / "performance.md"
MARKERS = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n")
WITH_SNAKEMAKE = "ours: as the user sees it, Snakemake included"
ALONE = "ours: all jobs, one after the other"
THEIRS = "reference: all steps"
Cost = tuple[float, float]  # seconds, and MB of memory at the peak


def cost(command: list[str | Path], cwd: Path = ROOT, **environment: str) -> Cost:
    """Wall time in s and peak memory in MB of a command; ends the run with its output where it fails.

    The peak is that of the largest process, not of the sum where there are several at a time.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        child = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=os.environ | {"PATH": path} | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            log.seek(0)
            raise SystemExit(f"{shlex.join(child.args)}\n{log.read().decode(errors='replace')[-4000:]}")
    return seconds, usage.ru_maxrss / 1024


def bounds(plain: Path, packed: Path, cores: int) -> dict[str, Cost]:
    """The scan of the chart events; the first reading fills the file cache, the second counts."""
    found = {}
    for kind, path in (("plain", plain / "CHARTEVENTS.csv"), ("gzipped", packed / "CHARTEVENTS.csv.gz")):
        command = [sys.executable, "-c", SCAN, path, str(cores)]
        cost(command, PYTHONPATH="scripts")
        found[f"bound: scan of the chart events, {kind}"] = cost(command, PYTHONPATH="scripts")
    return found


def ours(raw: Path, out: Path, cores: int) -> dict[str, Cost]:
    """The workflow as its user starts it, then the command line of each of its jobs alone."""
    results = out / "results"
    settings = overlay(
        out / "bench.yaml",
        results,
        datasets={"mimic3": {"source": "directory", "raw": str(raw)}, "mimic4": None},
        extract={"memory_limit_mb": MEMORY_LIMIT_MB},
    )
    targets = [f"{results}/mimic3/benchmark/{name}" for name in TARGETS]
    command = [sys.executable, "-m", "snakemake", "--configfile", settings, "--cores", str(cores), "--", *targets]
    # Its memory is not measured: the jobs are not children of this process.
    found = {WITH_SNAKEMAKE: (cost(command)[0], float("nan"))}
    records = [json.loads(p.read_text(encoding="utf-8")) for p in results.rglob(".records/*.json")]
    jobs = {r["rule"]: r["command"] for r in sorted(records, key=lambda r: r["started"])}
    steps = {f"ours: {rule}": cost(command) for rule, command in jobs.items()}
    return found | steps | {ALONE: total(steps)}


def reference(raw: Path, out: Path, checkout: Path, python: Path) -> dict[str, Cost]:
    """The scripts of mimic3-benchmarks in their order."""
    steps = {}
    for name, places in REFERENCE_STEPS.items():
        arguments = [place.format(raw=raw, out=out) for place in places]
        module = f"mimic3benchmark.scripts.{name}"
        steps[f"reference: {name}"] = cost([python, "-W", "ignore", "-m", module, *arguments], checkout)
    return steps | {THEIRS: total(steps)}


def total(steps: dict[str, Cost]) -> Cost:
    """Sum of the times, largest of the peaks."""
    return sum(seconds for seconds, _ in steps.values()), max(memory for _, memory in steps.values())


def table(once: dict[str, Cost], twice: dict[str, Cost], times: int) -> str:
    """Both sizes side by side, in Markdown."""
    lines = [f"| | ×{times}: s | MB | ×{2 * times}: s | MB | times as long |", "|---|---:|---:|---:|---:|---:|"]
    for name, (seconds, memory) in once.items():
        longer, more = twice.get(name, (float("nan"), float("nan")))
        cells = [f"{seconds:.1f}", f"{memory:.0f}", f"{longer:.1f}", f"{more:.0f}", f"{longer / seconds:.2f}"]
        lines.append(f"| {' | '.join([name, *cells])} |".replace("nan", "–"))
    return "\n".join(lines) + "\n"


def verdict(found: dict[str, Cost]) -> str:
    """How many times as long as ours the reference takes; empty where it was not measured."""
    if THEIRS not in found:
        return ""
    return (
        f"\nThe reference takes {found[THEIRS][0] / found[WITH_SNAKEMAKE][0]:.1f} times as long as ours with "
        f"Snakemake, {found[THEIRS][0] / found[ALONE][0]:.1f} times as long as our jobs one after the other.\n"
    )


def conditions(times: int, cores: int, plain: Path) -> str:
    """When, on what and how it was measured."""
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "snakemake"))
    size = (plain / "CHARTEVENTS.csv").stat().st_size / 2**30
    return (
        f"{date.today()}, {model}, {cores} of {os.cpu_count()} cores, {memory:.0f} GB, Python "
        f"{platform.python_version()}, {versions}; the open demo ×{times} has {size:.2f} GB of chart events. "
        f"`make bench RAW=... TIMES={times} [REFERENCE=...]`; `extract.memory_limit_mb: {MEMORY_LIMIT_MB}`.\n"
    )


def measure(given: argparse.Namespace, scratch: Path) -> str:
    """Everything at both sizes, as Markdown."""
    columns, facts = [], ""
    for times in (given.times, 2 * given.times):
        plain, packed, out = (scratch / f"{part}{times}" for part in ("plain", "packed", "out"))
        out.mkdir()
        scaling = [sys.executable, "tests/benchmarks/scale.py", "--raw", given.raw, "--times", str(times), "--to"]
        cost([*scaling, plain])
        cost([*scaling, packed, "--gzip", "--tables", "CHARTEVENTS"])
        found = bounds(plain, packed, given.cores) | ours(plain, out, given.cores)
        if given.reference and not columns:
            found |= reference(plain, out, given.reference, given.reference_python)
        facts = facts or conditions(times, given.cores, plain)
        columns.append(found)
    return f"{facts}\n{table(*columns, given.times)}{verdict(columns[0])}"


def write(text: str) -> None:
    """Put the results between the markers of docs/performance.md."""
    begin, end = MARKERS
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    """Command line of `make bench`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    directory = {"type": lambda text: Path(text).absolute()}
    parser.add_argument("--raw", required=True, **directory, help="directory of the open MIMIC-III demo")
    parser.add_argument("--times", type=int, default=20, help="copies of the demo; the growth is that to twice as many")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--reference", **directory, help="checkout of YerevaNN/mimic3-benchmarks with its resources")
    parser.add_argument("--reference-python", **directory, default=Path(sys.executable), help="with what it needs")
    parser.add_argument("--scratch", **directory, help="where the copies are kept meanwhile (0.4 GB for each of TIMES)")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clinragen-bench-", dir=given.scratch) as scratch:
        text = measure(given, Path(scratch))
    print(text)
    if given.write:
        write(text)


if __name__ == "__main__":
    main()
