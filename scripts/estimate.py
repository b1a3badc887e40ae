"""Estimate the remaining cost of the language models: `python scripts/estimate.py --configfile config/local.yaml`.

Takes Snakemake's arguments (configuration files). It is not a step of the workflow: it sends no requests, reads the
results tree and the journal, prints a line per stage and writes <results>/audit/estimate.csv.
"""

import shlex
import sys
from pathlib import Path

from clinragen.errors import UserError
from clinragen.runtime.outputs import SharedOut
from clinragen.schemas.costs import ESTIMATE
from clinragen.workflow.estimate import Estimate
from clinragen.workflow.estimate_text import lines
from clinragen.workflow.snakefile import read_snakefile


def main() -> None:
    """Print the estimate and write it as a table."""
    arguments = sys.argv[1:]
    config, _ = read_snakefile(arguments)
    profile = [] if {"--cores", "-c", "--profile"} & set(arguments) else ["--profile", "slurm"]
    try:
        with Estimate(config) as estimate:
            table = estimate.table(shlex.join(["snakemake", "estimate", *profile, *arguments]))
            print(*lines(table, list(estimate.budgets())), sep="\n")
    except UserError as error:
        raise SystemExit(str(error)) from None
    out = SharedOut(Path(config.pathvars.results, "audit", "estimate.csv"))
    out.prepare()
    try:
        ESTIMATE.write(table, out)
        out.commit()
    finally:
        out.discard()
    print(f"Table: {out.final}")


if __name__ == "__main__":
    main()
