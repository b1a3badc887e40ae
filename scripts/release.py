"""Pack a results tree into one archive to share: code, shareable outputs, all records, as an RO-Crate.

    python scripts/release.py results/demo

Restricted outputs and raw files stay behind; left_out.csv in the archive names them with their hashes.
Exit status: 0, or 2 with everything that stands against the release.
"""

import argparse
import logging
import sys
from collections import defaultdict
from pathlib import Path

from clinragen.audit.release import Released, release
from clinragen.errors import UserError
from clinragen.provenance.digest import SCRIPTS


def main() -> int:
    """Make one archive and tell what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="the results tree, such as results/demo")
    parser.add_argument("--to", type=Path, default=Path("results/releases"), help="folder of the archive")
    parser.add_argument(
        "--leave-out", type=Path, nargs="*", default=[], help="shareable outputs to leave out all the same"
    )
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        made = release(asked.tree, SCRIPTS.parent, asked.to, asked.leave_out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(summary(made)))
    return 0


def summary(made: Released) -> list[str]:
    """What was left out, what the scan came upon, and the archive."""
    reasons: dict[str, list[int]] = defaultdict(list)
    for row in made.left_out:
        reasons[row.why].append(row.bytes)
    lines = [f"remark: {remark}" for remark in made.scanned.remarks]
    lines += [f"left out: {len(sizes)} ({why}), {sum(sizes)} bytes" for why, sizes in sorted(reasons.items())]
    number, size = made.beside
    lines.append(f"left out: {number} (logs, run times, teacher's journal, checkpoints, report.html), {size} bytes")
    if made.of_other_states:
        lines.append(f"{made.of_other_states} outputs are of other commits or uncommitted states, of the same code")
    lines.append(
        f"scanned: {made.files} files against {made.scanned.texts} restricted texts"
        f" and {made.scanned.identifiers} identifiers"
    )
    return [*lines, f"{made.archive}  {made.files} files, {made.bytes} bytes, sha256 {made.sha256}"]


if __name__ == "__main__":
    sys.exit(main())
