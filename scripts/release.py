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
from clinragen.provenance.record import sha256


def main() -> int:
    """Write one archive and describe it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="the results tree, such as results/demo")
    parser.add_argument("--to", type=Path, default=Path("results/releases"), help="directory of the archive")
    parser.add_argument("--leave-out", type=Path, nargs="*", default=[], help="shareable outputs to leave out as well")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        done = release(given.tree, SCRIPTS.parent, given.to, given.leave_out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(summary(done)))
    return 0


def summary(done: Released) -> list[str]:
    """Return what was left out, remarks of the scan, the roots, and the archive, a line each."""
    reasons: dict[str, list[int]] = defaultdict(list)
    for row in done.left_out:
        reasons[row["why"]].append(row["bytes"])
    lines = [f"remark: {remark}" for remark in done.scanned.remarks]
    lines += [f"left out: {len(sizes)} ({why}), {sum(sizes)} bytes" for why, sizes in sorted(reasons.items())]
    lines.append(f"left out: {done.not_audited} (logs, timings, checkpoints, report.html)")
    if done.of_other_states:
        lines.append(f"{done.of_other_states} outputs are of other commits or uncommitted states, of the same code")
    lines.append(
        f"scanned: {done.files} files against {done.scanned.texts} restricted texts"
        f" and {done.scanned.identifiers} identifiers"
    )
    if done.root:
        lines.append(f"root of the records: {done.root}, before paths were rewritten {done.root_of_tree}")
    size = done.archive.stat().st_size
    return [*lines, f"{done.archive}  {done.files} files, {size} bytes, sha256 {sha256(done.archive)}"]


if __name__ == "__main__":
    sys.exit(main())
