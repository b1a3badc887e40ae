"""Why jobs would run: `python scripts/why.py [--rule RULE]`, and configuration files and targets as for snakemake.

No step of the workflow: it reads Snakemake's plan and the provenance records, and changes nothing.
"""

import argparse
import contextlib
import io
import os
import re
import sys
from typing import Any

from clinragen.audit.why import Job, Setting, explain


def main() -> None:
    """Print a line per group of jobs that would run for the same reason."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rule", help="only jobs of this rule")
    given, arguments = parser.parse_known_args()
    jobs, rules = plan(arguments)
    if given.rule is not None and given.rule not in rules:
        print(f"{given.rule}: no such rule; there are {', '.join(sorted(rules))}", file=sys.stderr)
        raise SystemExit(2)
    lines = explain(jobs, given.rule)
    try:
        print("\n".join(lines) or f"Nothing to be done{f' for {given.rule}' if given.rule else ''}.", flush=True)
    except BrokenPipeError:
        # Whoever read has seen enough; nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plan(arguments: list[str]) -> tuple[list[Job], set[str]]:
    """The jobs that Snakemake would run under its own arguments, and the names of all rules."""
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_args, parse_config
    from snakemake.settings import types

    _, args = parse_args(["--dry-run", *arguments])
    said = io.StringIO()
    # Of all that makes Snakemake decide what to run, printing the DAG is what does nothing else.
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
        SnakemakeApi(types.OutputSettings(dryrun=True, quiet={types.Quietness.ALL})) as api,
    ):
        try:
            workflow = api.workflow(
                resource_settings=types.ResourceSettings(cores=args.cores or 1),
                config_settings=types.ConfigSettings(config=parse_config(args.config), configfiles=args.configfile),
                deployment_settings=types.DeploymentSettings(deployment_method=args.software_deployment_method),
                snakefile=args.snakefile,
                workdir=args.directory,
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
            print(said.getvalue(), file=sys.__stderr__)
            raise SystemExit(1) from None
        dag = workflow._workflow.dag
        needed = [job for job in dag.needrun_jobs() if job.output]
        places = {job: n for n, job in enumerate(needed)}
        jobs = [described(job, dag, places) for job in needed]
        return jobs, {rule.name for rule in workflow._workflow.rules}


def described(job: Any, dag: Any, places: dict[Any, int]) -> Job:
    """One of Snakemake's jobs."""
    reason = dag.reason(job)
    given = re.findall(r"--([\w-]+)[= ]\{params\.(\w+)(?::q)?\}", job.rule.shellcmd or "")
    return Job(
        rule=job.rule.name,
        outputs=tuple(map(str, job.output)),
        inputs=tuple(map(str, job.input)),
        settings={flag.replace("-", "_"): Setting(place(job, name), str(job.params[name])) for flag, name in given},
        missing=tuple(sorted(map(str, reason.missing_output))),
        newer=tuple(sorted(map(str, reason.updated_input - reason.updated_input_run))),
        waits_for=tuple(sorted(places[other] for other in dag.dependencies[job] if other in places)),
        command_changed=reason.code_changed,
        environment_changed=reason.software_stack_changed,
        words="" if reason.updated_input_run else str(reason),
    )


def place(job: Any, name: str) -> str:
    """Where a parameter stands in the configuration; its own name where it is no single place."""
    found = getattr(job.rule.params[name], "place", None)
    return found.format(**job.wildcards_dict) if found else name


if __name__ == "__main__":
    main()
