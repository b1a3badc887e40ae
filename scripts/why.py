"""Why jobs would run: `python scripts/why.py [--rule RULE] [--from-records]`, and what snakemake takes.

Not a step of the workflow: it reads Snakemake's plan and the provenance records, and changes nothing. Jobs that
Snakemake would not run although their records differ from the code, settings or inputs of today are named too.
`--from-records` leaves out Snakemake's plan.
"""

import argparse
import contextlib
import io
import os
import re
import sys
from typing import Any

from clinragen.workflow.snakefile import open_workflow
from clinragen.workflow.why import Job, Setting, explain


def main() -> None:
    """Print a line per group of jobs with the same reasons."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rule", help="only jobs of this rule")
    parser.add_argument("--from-records", action="store_true", help="compare the records only")
    given, arguments = parser.parse_known_args()
    jobs, rules = plan(arguments, given.from_records)
    if given.rule is not None and given.rule not in rules:
        print(f"{given.rule}: unknown rule; available rules: {', '.join(sorted(rules))}", file=sys.stderr)
        raise SystemExit(2)
    lines = explain(jobs, given.rule)
    try:
        print("\n".join(lines) or f"Nothing to be done{f' for {given.rule}' if given.rule else ''}.", flush=True)
    except BrokenPipeError:
        # The reader has seen enough; nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plan(arguments: list[str], from_records: bool) -> tuple[list[Job], set[str]]:
    """All jobs under Snakemake's own arguments, and the names of all rules."""
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_args
    from snakemake.settings import types

    _, args = parse_args(["--dry-run", *arguments])
    messages = io.StringIO()
    # Of all that makes Snakemake decide what to run, printing the DAG has no other effect.
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(messages),
        SnakemakeApi(types.OutputSettings(dryrun=True, quiet={types.Quietness.ALL})) as api,
    ):
        try:
            workflow = open_workflow(
                api,
                args,
                resource_settings=types.ResourceSettings(cores=args.cores or 1),
                deployment_settings=types.DeploymentSettings(deployment_method=args.software_deployment_method),
            )
            settings = types.DAGSettings(
                targets=args.targets,
                forcerun=args.forcerun,
                forceall=args.forceall,
                forcetargets=args.force,
                rerun_triggers=args.rerun_triggers,
                max_checksum_file_size=args.max_checksum_file_size,
                print_dag_as=str(types.PrintDag.DOT),
            )
            workflow.dag(settings).printdag()
        except Exception as error:
            api.print_exception(error)
            print(messages.getvalue(), file=sys.__stderr__)
            raise SystemExit(1) from None
        dag = workflow._workflow.dag
        jobs = [job for job in dag.jobs if job.output]
        planned = set() if from_records else set(dag.needrun_jobs())
        places = {job: n for n, job in enumerate(jobs)}
        limit = settings.max_checksum_file_size
        return [described(job, dag, places, job in planned, limit) for job in jobs], {
            rule.name for rule in workflow._workflow.rules
        }


def described(job: Any, dag: Any, places: dict[Any, int], planned: bool, checksum_limit: int) -> Job:
    """One of Snakemake's jobs; without its reasons if it is not planned."""
    reason = dag.reason(job)
    given = re.findall(r"--([\w-]+)[= ]\{params\.(\w+)(?::q)?\}", job.rule.shellcmd or "")
    facts = {
        "missing": tuple(sorted(map(str, reason.missing_output))),
        "newer": tuple(sorted(map(str, reason.updated_input - reason.updated_input_run))),
        "command_changed": reason.code_changed,
        "environment_changed": reason.software_stack_changed,
        "words": "" if reason.updated_input_run else str(reason),
    }
    return Job(
        rule=job.rule.name,
        outputs=tuple(map(str, job.output)),
        inputs=tuple(map(str, job.input)),
        settings={flag.replace("-", "_"): Setting(place(job, name), str(job.params[name])) for flag, name in given},
        waits_for=tuple(sorted(places[other] for other in dag.dependencies[job] if other in places)),
        planned=planned,
        checksum_limit=checksum_limit,
        **(facts if planned else {}),
    )


def place(job: Any, name: str) -> str:
    """Where a parameter is set in the configuration; its own name if it has no single place."""
    found = getattr(job.rule.params[name], "place", None)
    variant = job.wildcards_dict.get("variant", "").removeprefix("+")
    return (f"variant {variant}, " if variant else "") + found.format(**job.wildcards_dict) if found else name


if __name__ == "__main__":
    main()
