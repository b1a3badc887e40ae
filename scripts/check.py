"""Check everything that a real run needs: `python scripts/check.py --configfile config/local.yaml`.

Takes Snakemake's arguments (configuration files, profiles). It is not a step of the workflow, and changes nothing.
"""

import sys
from pathlib import Path

from clinragen.workflow.check import check, summary
from clinragen.workflow.snakefile import read_snakefile


def main() -> None:
    """Print a line per check as it ends, then a summary; exit status 1 if a run cannot start."""
    config, requests = read_snakefile(sys.argv[1:])
    lines = []
    for line in check(config, requests, Path(__file__).resolve().parents[1]):
        print(line, flush=True)
        lines.append(line)
    print(summary(lines))
    raise SystemExit(any(line.status == "problem" for line in lines))


if __name__ == "__main__":
    main()
