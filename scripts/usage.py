"""Compare what the jobs of a results tree requested from the cluster with what they used.

    python scripts/usage.py results/paper
    python scripts/usage.py results/rehearsal-0.1 --smaller results/rehearsal-0.02

Prints a line per rule and writes the same to <tree>/audit/usage.csv. With a smaller rehearsal also what grows how, in
<tree>/audit/growth.csv. Exit status: 0, or 2 without anything to read.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from clinragen.errors import UserError
from clinragen.runtime.outputs import SharedOut
from clinragen.workflow import growth
from clinragen.workflow.usage import Line, Peak, Run, compare, hours, read_peaks, read_runs, table, write_csv


def main() -> int:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="a results tree, such as results/paper")
    parser.add_argument("--smaller", type=Path, help="the tree of a rehearsal at a smaller share")
    arguments = parser.parse_args()
    tree = arguments.tree
    runs = list(read_runs(tree / "timings"))
    peaks = list(read_peaks(tree))
    lines = compare(runs, peaks)
    if not lines:
        print(f"{tree}: holds neither timings nor records; name a results tree, such as results/demo", file=sys.stderr)
        return 2
    print(*table(lines), sep="\n")
    total = hours(runs)
    print(f"\nGPU hours: {total.gpu_asked:.2f} asked for, {total.gpu_used:.2f} used", end="; ")
    print(f"CPU hours: {total.cpu_asked:.2f} asked for, {total.cpu_used:.2f} used")
    if any(line.mem_mb is None for line in lines):
        print("- is unknown: requests are recorded with --benchmark-extended, which the profile sets")
    print(f"Disk: {sum(line.disk_mb or 0 for line in lines) / 1000:.2f} GB of recorded outputs")
    _write(tree / "audit" / "usage.csv", lambda path: write_csv(lines, path))
    return 0 if arguments.smaller is None else _compare_sizes(arguments.smaller, tree, runs, peaks, lines)


def _compare_sizes(smaller: Path, tree: Path, runs: list[Run], peaks: list[Peak], lines: list[Line]) -> int:
    try:
        shares = growth.share_of(smaller), growth.share_of(tree)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    small = growth.sizes_by_rule(read_runs(smaller / "timings"), read_peaks(smaller))
    grown = growth.grown(small, growth.sizes_by_rule(runs, peaks), shares, lines)
    print("", *growth.table(grown, shares), sep="\n")
    _write(tree / "audit" / "growth.csv", lambda path: growth.write_csv(grown, path))
    return 0


def _write(path: Path, write: Callable[[Path], None]) -> None:
    out = SharedOut(path)
    out.prepare()
    try:
        write(out.path)
        out.commit()
    finally:
        out.discard()
    print(f"Table: {out.final}")


if __name__ == "__main__":
    sys.exit(main())
