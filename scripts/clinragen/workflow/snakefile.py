"""The workflow as Snakemake reads it, without running it: its configuration and resource requests."""

from argparse import Namespace
from typing import Any

from clinragen.config.root import Config
from clinragen.workflow.settings_files import stop_if_unreadable
from clinragen.workflow.slurm import OPTIONS, Request, Resources


def read_snakefile(arguments: list[str]) -> tuple[Config, list[Request]]:
    """Return configuration and requests for Snakemake's arguments, profiles included; SystemExit if invalid."""
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_args
    from snakemake.settings import types

    _, args = parse_args(arguments)
    with SnakemakeApi(types.OutputSettings(quiet={types.Quietness.ALL})) as api:
        try:
            resources = types.ResourceSettings(
                cores=1, overwrite_resources=args.set_resources, default_resources=args.default_resources
            )
            workflow = open_workflow(api, args, resource_settings=resources)._workflow
        except Exception as error:
            raise SystemExit(f"cannot read the workflow: {error}") from None
        return workflow.globals["CONFIG"], requests_of(workflow)


def open_workflow(api: Any, args: Namespace, **settings: Any) -> Any:
    """Open the workflow with Snakemake's parsed arguments; SystemExit if a file of settings is not valid YAML."""
    from snakemake.cli import parse_config
    from snakemake.settings import types

    stop_if_unreadable(["config.yaml", *(args.configfile or [])])
    return api.workflow(
        config_settings=types.ConfigSettings(config=parse_config(args.config), configfiles=args.configfile),
        snakefile=args.snakefile,
        workdir=args.directory,
        **settings,
    )


def requests_of(workflow: Any) -> list[Request]:
    """Return the requests of all rules of a Snakemake workflow."""
    return [_request(rule, workflow) for rule in workflow.rules if rule.shellcmd]


def _request(rule: Any, workflow: Any) -> Request:
    """Return the request of a rule's first attempt."""
    given = {"input": [], "threads": 1, "rulename": rule.name, "async_run": workflow.async_run, "attempt": 1}

    def value(name: str) -> Any:
        return rule.resources[name].evaluate(None, **given).value

    resources = Resources({name: value(name) for name in rule.resources if name in OPTIONS})
    return Request(rule.name, rule.name in workflow._localrules, value("_cores"), resources)
