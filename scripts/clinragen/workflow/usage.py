"""Compare what jobs requested from the cluster with what they used, by Snakemake's timings and the records."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import load
from clinragen.provenance.tree import described_by, records_below

# Above the first share of its request a slightly larger job fails; below the second it keeps other jobs waiting.
TIGHT, LOOSE = 0.8, 0.25
# Memory of equal jobs differs little, and is sampled; run times differ between machines and with their load.
MEMORY_MARGIN, TIME_MARGIN = 1.3, 2.0
# For the smallest job: memory of Python with Snakemake around it, and the start from a slow file system.
LEAST_MB, LEAST_MINUTES = 1000, 30
MEMORY_STEPS, TIME_STEPS = (500, 1000, 4000), (30, 60, 240)


@dataclass(frozen=True)
class Run:
    """One run of a job, as Snakemake measured it; None is unknown."""

    rule: str
    job: str
    seconds: float
    memory_mb: float | None
    cpu_seconds: float | None
    asked_mb: int | None
    asked_minutes: int | None
    cores: int | None
    gpus: int
    limit_mb: int | None
    """Memory to which the step limits itself, whatever the data."""


@dataclass(frozen=True)
class Peak:
    """Memory and time that a step noted in the record of an output, and the size of that output."""

    rule: str
    command: tuple[str, ...]
    output: str
    memory_mb: float
    seconds: float
    disk_mb: float


@dataclass(frozen=True)
class Line:
    """One rule: jobs, requests, the largest use and by which job, the proposed requests, the size of all outputs."""

    rule: str
    jobs: int
    mem_mb: int | None
    used_mb: int | None
    used_mb_by: str
    runtime: int | None
    used_minutes: float
    used_minutes_by: str
    proposed_mem_mb: int | None
    proposed_runtime: int
    disk_mb: float | None
    remark: str


@dataclass(frozen=True)
class Hours:
    """GPU and CPU hours of all runs with a known request: requested, and used."""

    gpu_asked: float
    gpu_used: float
    cpu_asked: float
    cpu_used: float


def read_runs(timings: Path) -> Iterator[Run]:
    """Yield the runs in `<timings>/<rule>/<job>.jsonl`, one per line; malformed lines are skipped.

    Without --benchmark-extended a line holds no request.
    """
    for path in sorted(timings.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                yield _run(path.relative_to(timings).parts[0], path.stem, json.loads(line))


def read_peaks(tree: Path) -> Iterator[Peak]:
    """Yield peaks from the records of a results tree; unreadable ones are skipped."""
    for path in records_below(tree):
        with suppress(UserError):
            record, output = load(path), described_by(path).relative_to(tree).as_posix()
            command = tuple(record["command"])
            megabytes = record["output"]["bytes"] / 1e6
            yield Peak(record["rule"], command, output, record["peak_memory_mb"], record["wall_seconds"], megabytes)


def compare(runs: Iterable[Run], peaks: Iterable[Peak]) -> list[Line]:
    """Return a line per rule, by name.

    The request is the lowest of the rule's jobs, because retries request more. Memory is the larger of what Snakemake
    sampled, children included, and the peak that the step's main process noted.
    """
    runs, peaks = list(runs), list(peaks)
    return [
        _line(rule, [r for r in runs if r.rule == rule], [p for p in peaks if p.rule == rule])
        for rule in sorted({r.rule for r in runs} | {p.rule for p in peaks})
    ]


def hours(runs: Iterable[Run]) -> Hours:
    """Return sums over all runs. A GPU counts as used while its job runs, a CPU while it works, as sampled."""
    total = [0.0] * 4
    for run in runs:
        if run.asked_minutes is not None and run.cores is not None:
            asked = run.asked_minutes * 60
            used = (run.gpus * asked, run.gpus * run.seconds, run.cores * asked, run.cpu_seconds or 0.0)
            total = [a + b / 3600 for a, b in zip(total, used, strict=True)]
    return Hours(*total)


def table(lines: list[Line]) -> list[str]:
    """Return aligned text: the header, and a line per rule; memory in MB, times in minutes."""
    rows = [("rule", "jobs", "mem_mb", "most used", "by", "runtime", "longest", "propose mem_mb", "runtime", "remark")]
    for line in lines:
        memory = "-" if line.used_mb is None else f"{line.used_mb}{_percent(line.used_mb, line.mem_mb)}"
        time = f"{line.used_minutes:.1f}{_percent(line.used_minutes, line.runtime)}"
        asked = (_text(line.mem_mb), memory, line.used_mb_by, _text(line.runtime), time)
        proposed = (_text(line.proposed_mem_mb), str(line.proposed_runtime))
        rows.append((line.rule, str(line.jobs), *asked, *proposed, line.remark))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = (0, 4, 9)
    return [
        "  ".join(
            c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def write_csv(lines: list[Line], path: Path) -> None:
    """Write the lines as CSV, empty where a value is unknown."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(Line)])
        writer.writeheader()
        writer.writerows(map(asdict, lines))


def disk_of(peaks: Sequence[Peak]) -> float | None:
    """Return the size of outputs in MB; None without a record."""
    return round(sum(p.disk_mb for p in peaks), 3) if peaks else None


def _run(rule: str, job: str, noted: dict) -> Run:
    asked = noted.get("resources", {})
    # `gres` and `threads` are requested per node, `gpu` is the total.
    per_node = re.search(r"gpu(?::[^:]+)??(?::(\d+))?$", str(asked.get("gres", "")))
    nodes = int(asked.get("nodes", 1))
    gpus = int(asked.get("gpu", 0)) or (nodes * int(per_node[1] or 1) if per_node else 0)
    threads = noted.get("threads")
    return Run(
        rule,
        job,
        float(noted["s"]),
        _number(noted.get("max_rss")),
        _number(noted.get("cpu_time")),
        asked.get("mem_mb"),
        asked.get("runtime"),
        None if threads is None else nodes * int(threads),
        gpus,
        asked.get("memory_limit_mb"),
    )


def _number(value: object) -> float | None:
    """A measured value; jobs that end before the first sample have `NA`."""
    return float(value) if isinstance(value, int | float) else None


def _line(rule: str, runs: list[Run], peaks: list[Peak]) -> Line:
    memory = [(r.memory_mb, r.job) for r in runs if r.memory_mb is not None]
    memory += [(p.memory_mb, p.output) for p in peaks]
    times = [(r.seconds, r.job) for r in runs] or [(p.seconds, p.output) for p in peaks]
    used_mb, used_mb_by = max(memory, default=(None, ""))
    seconds, used_minutes_by = max(times)
    mem_mb = min((r.asked_mb for r in runs if r.asked_mb is not None), default=None)
    runtime = min((r.asked_minutes for r in runs if r.asked_minutes is not None), default=None)
    proposed_mb = None if used_mb is None else _proposed(used_mb * MEMORY_MARGIN, MEMORY_STEPS, LEAST_MB)
    proposed_runtime = _proposed(seconds / 60 * TIME_MARGIN, TIME_STEPS, LEAST_MINUTES)
    remarks = _remark("memory", used_mb, mem_mb, proposed_mb)
    remarks += _remark("time", seconds / 60, runtime, proposed_runtime)
    # Every output of a job has a record, every job one command.
    jobs = max(len({r.job for r in runs}), len({p.command for p in peaks}))
    used = None if used_mb is None else round(used_mb)
    minutes = round(seconds / 60, 2)
    return Line(
        rule, jobs, mem_mb, used, used_mb_by, runtime, minutes, used_minutes_by, proposed_mb, proposed_runtime,
        disk_of(peaks), ", ".join(remarks),
    )  # fmt: skip


def _remark(what: str, used: float | None, asked: int | None, proposed: int | None) -> list[str]:
    if used is None or not asked or proposed is None:
        return []
    if used > TIGHT * asked:
        return [f"{what} tight"]
    return [f"{what} loose"] if used < LOOSE * asked and proposed < asked else []


def _proposed(amount: float, steps: tuple[int, int, int], least: int) -> int:
    """Rounded up to steps that grow with the amount, and not below a floor."""
    step = next((s for s in steps if amount <= 10 * s), steps[-1])
    return max(least, -int(-amount // step) * step)


def _percent(used: float, asked: int | None) -> str:
    return f" ({100 * used / asked:.0f} %)" if asked else ""


def _text(value: int | None) -> str:
    return "-" if value is None else str(value)
