"""Pack a results tree into one archive to share: code, shareable outputs and all records, as an RO-Crate.

    python scripts/release.py results/demo

Restricted outputs and raw files are left out; left_out.csv in the archive lists them with their hashes.
Exit status: 0, or 2 with everything that forbids the release.
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
    """Make one archive and describe it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="the results tree, such as results/demo")
    parser.add_argument("--to", type=Path, default=Path("results/releases"), help="directory of the archive")
    parser.add_argument("--leave-out", type=Path, nargs="*", default=[], help="shareable outputs to leave out as well")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        made = release(given.tree, SCRIPTS.parent, given.to, given.leave_out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(summary(made)))
    return 0


def summary(made: Released) -> list[str]:
    """What was left out, what the scan found, the roots, and the archive."""
    reasons: dict[str, list[int]] = defaultdict(list)
    for row in made.left_out:
        reasons[row.why].append(row.bytes)
    lines = [f"remark: {remark}" for remark in made.scanned.remarks]
    lines += [f"left out: {len(sizes)} ({why}), {sum(sizes)} bytes" for why, sizes in sorted(reasons.items())]
    number, size = made.not_audited
    lines.append(f"left out: {number} (logs, timings, checkpoints, report.html), {size} bytes")
    if made.of_other_states:
        lines.append(f"{made.of_other_states} outputs are of other commits or uncommitted states, of the same code")
    lines.append(
        f"scanned: {made.files} files against {made.scanned.texts} restricted texts"
        f" and {made.scanned.identifiers} identifiers"
    )
    if made.root:
        lines.append(f"root of the records: {made.root}, before paths were rewritten {made.root_of_tree}")
    return [*lines, f"{made.archive}  {made.files} files, {made.bytes} bytes, sha256 {made.sha256}"]


if __name__ == "__main__":
    sys.exit(main())
