"""How rules grow with the data: two rehearsals at different shares of the paper's size, extrapolated to the whole."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import load
from clinragen.provenance.tree import records_below
from clinragen.workflow.usage import Line, Peak, Run, disk_of

# Run times vary with the load of a machine: what grows by less than this factor beyond the data counts as linear.
NOISE = 1.3
# Snakemake samples processor time every half second at first, later every 30 s: of short jobs it misses much.
LEAST_SECONDS = 15.0
HEAD = (
    *("rule", "CPU s", "times", "MB", "times", "disk MB", "whole: min", "MB", "disk MB"),
    *("mem_mb", "runtime", "remark"),
)


@dataclass(frozen=True)
class Sizes:
    """The largest job of a rule at one share: processor seconds, memory and its limit, outputs of the rule (MB)."""

    seconds: float
    memory_mb: float | None
    disk_mb: float | None
    limit_mb: float | None = None


@dataclass(frozen=True)
class Growth:
    """A rule at two shares, and at the whole by a straight line through both."""

    rule: str
    seconds: float
    seconds_times: float | None
    memory_mb: float | None
    memory_times: float | None
    disk_mb: float | None
    whole_minutes: float
    whole_memory_mb: float | None
    whole_disk_mb: float | None
    mem_mb: int | None
    runtime: int | None
    remark: str


def share_of(tree: Path) -> float:
    """Return the share at which the raw files of a rehearsal were written, by their records; UserError without one."""
    for path in records_below(tree):
        record = load(path)
        if record["rule"].startswith("demo_raw") and (share := record["settings"].get("share")):
            return float(share)
    raise UserError(f"{tree}: is not a rehearsal; make one with `make rehearsal SHARE=0.02`")


def sizes_by_rule(runs: Iterable[Run], peaks: Iterable[Peak]) -> dict[str, Sizes]:
    """Return the size of each rule; processor time where it was sampled, which other work hardly changes."""
    runs, peaks = list(runs), list(peaks)

    def of(rule: str) -> Sizes:
        mine, noted = [r for r in runs if r.rule == rule], [p for p in peaks if p.rule == rule]
        seconds = [r.seconds if r.cpu_seconds is None else r.cpu_seconds for r in mine] or [p.seconds for p in noted]
        limit = max((r.limit_mb for r in mine if r.limit_mb is not None), default=None)
        memory = [r.memory_mb for r in mine if r.memory_mb is not None] + [p.memory_mb for p in noted]
        return Sizes(max(seconds), max(memory, default=None), disk_of(noted), limit)

    return {rule: of(rule) for rule in sorted({r.rule for r in runs} | {p.rule for p in peaks})}


def grown(
    small: dict[str, Sizes],
    large: dict[str, Sizes],
    shares: tuple[float, float],
    requests: Iterable[Line],
) -> list[Growth]:
    """Return the growth of each rule of both trees; `shares` are those of the smaller and of the larger tree."""
    asked = {line.rule: (line.mem_mb, line.runtime) for line in requests}
    return [_growth(rule, small[rule], large[rule], shares, asked[rule]) for rule in large if rule in small]


def table(lines: list[Growth], shares: tuple[float, float]) -> list[str]:
    """Return aligned text: the header, and a line per rule."""
    rows = [HEAD, *map(_cells, lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    numbers = range(1, len(HEAD) - 1)
    smaller, larger = shares
    return [
        f"at {larger:g} of the paper's size; times: as much as at {smaller:g} (data: {larger / smaller:.1f} times)",
        *(
            "  ".join(
                c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ),
    ]


def _cells(line: Growth) -> tuple[str, ...]:
    values: list[tuple[float | None, int]] = [
        *((line.seconds, 1), (line.seconds_times, 1), (line.memory_mb, 0), (line.memory_times, 1), (line.disk_mb, 1)),
        *((line.whole_minutes, 1), (line.whole_memory_mb, 0), (line.whole_disk_mb, 0)),
        *((line.mem_mb, 0), (line.runtime, 0)),
    ]
    return line.rule, *("-" if v is None else f"{v:.{digits}f}" for v, digits in values), line.remark


def write_csv(lines: list[Growth], path: Path) -> None:
    """Write the lines as CSV, empty where a value is unknown."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(Growth)])
        writer.writeheader()
        writer.writerows(map(asdict, lines))


def _growth(
    rule: str, small: Sizes, large: Sizes, shares: tuple[float, float], request: tuple[int | None, int | None]
) -> Growth:
    def whole(value: Callable[[Sizes], float | None]) -> float | None:
        before, after = value(small), value(large)
        if before is None or after is None:
            return None
        return after + max(0.0, after - before) / (shares[1] - shares[0]) * (1 - shares[1])

    def times(value: Callable[[Sizes], float | None]) -> float | None:
        before, after = value(small), value(large)
        return round(after / before, 2) if before and after is not None else None

    minutes = (whole(lambda s: s.seconds) or 0.0) / 60
    memory = whole(lambda s: s.memory_mb)
    if memory is not None and large.limit_mb is not None:
        memory = min(memory, large.limit_mb)  # the rest is spilled
    mem_mb, runtime = request
    faster = large.seconds / max(small.seconds, LEAST_SECONDS)
    remarks = ["more than linear"] if faster > NOISE * shares[1] / shares[0] else []
    remarks += ["memory"] if mem_mb and memory and memory > mem_mb else []
    remarks += ["time"] if runtime and minutes > runtime else []
    return Growth(
        rule, round(large.seconds, 1), times(lambda s: s.seconds), large.memory_mb, times(lambda s: s.memory_mb),
        large.disk_mb, round(minutes, 1), memory, whole(lambda s: s.disk_mb), mem_mb, runtime, ", ".join(remarks),
    )  # fmt: skip
