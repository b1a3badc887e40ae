"""Compare what the jobs of a results tree requested from the cluster with what they used.

    python scripts/usage.py results/paper

Prints a line per rule and writes the same to <tree>/audit/usage.csv. Exit status: 0, or 2 without anything to read.
"""

import argparse
import sys
from pathlib import Path

from clinragen.runtime.outputs import SharedOut
from clinragen.workflow.usage import compare, hours, read_peaks, read_runs, table, write_csv


def main() -> int:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="a results tree, such as results/paper")
    tree = parser.parse_args().tree
    runs = list(read_runs(tree / "timings"))
    lines = compare(runs, read_peaks(tree))
    if not lines:
        print(f"{tree}: holds neither timings nor records; name a results tree, such as results/demo", file=sys.stderr)
        return 2
    print(*table(lines), sep="\n")
    total = hours(runs)
    print(f"\nGPU hours: {total.gpu_asked:.2f} asked for, {total.gpu_used:.2f} used", end="; ")
    print(f"CPU hours: {total.cpu_asked:.2f} asked for, {total.cpu_used:.2f} used")
    if any(line.mem_mb is None for line in lines):
        print("- is unknown: requests are recorded with --benchmark-extended, which the profile sets")
    out = SharedOut(tree / "audit" / "usage.csv")
    out.prepare()
    try:
        write_csv(lines, out.path)
        out.commit()
    finally:
        out.discard()
    print(f"Table: {out.final}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
