"""Checks of everything that a real run needs, in seconds: a line each, with its remedy. Nothing is submitted."""

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinragen.config.root import Config
from clinragen.rationale.examples import problems_of_examples
from clinragen.registry import raw
from clinragen.workflow import machine, services, slurm
from clinragen.workflow.needs import GPU, NOTES, WEIGHTS, Need, needs_of
from clinragen.workflow.preflight import command_line, raw_problems, runs_jobs, to_download
from clinragen.workflow.slurm import Request
from clinragen.workflow.snakefile import requests_of
from clinragen.workflow.verdict import Line, judged, ok, problem


def check(config: Config, requests: list[Request], root: Path) -> Iterator[Line]:
    """Yield the results of all checks for target `all`, each as it ends; `root` is the checkout."""
    needs = needs_of(["all"], config)
    results = Path(config.pathvars.results)
    for name in config.dataset_names():
        yield from raw_files(config, name, Need(NOTES, name) in needs)
    yield from examples(config)
    yield from services.language_models(config, needs)
    yield from services.knowledge(config, needs)
    lines, sizes = services.backbones(config, needs)
    yield from lines
    yield from services.encoders(config, needs)
    yield from machine.disks(config, sizes)
    yield machine.memory(requests, slurm=shutil.which("sbatch") is not None)
    yield from cluster(requests)
    yield machine.clock(results)
    yield machine.file_system(results)
    yield machine.git_state(root)


def stop_unless_machine_is_ready(config: Config, workflow: Any) -> None:
    """Raise SystemExit if this machine or a partition would stop the jobs of the running `snakemake` command.

    Dry runs are exempt. Servers, and whatever only `sbatch` can judge, are left to `make check`.
    """
    args = command_line()
    if args is None or not runs_jobs(args) or args.dryrun:
        return
    results = Path(config.pathvars.results)
    lines = [machine.clock(results), machine.file_system(results), *machine.disks(config, {})]
    if args.executor == "slurm":
        needs = needs_of(args.targets or ["all"], config)
        requests = [
            r for r in requests_of(workflow) if not r.local and (not r.gpus or {GPU, WEIGHTS} & {n.kind for n in needs})
        ]
        lines += partition_lines(requests)
    problems = [f"  - {line.place}: {line.words}" for line in lines if line.status == "problem"]
    if problems:
        raise SystemExit("\n".join(["cannot start; fix the following first:", *problems]))


def summary(lines: list[Line]) -> str:
    """Return the last line, with the numbers of problems and warnings."""
    count = {status: sum(line.status == status for line in lines) for status in ("problem", "warning", "skipped")}
    numbers = f"{count['problem']} problem(s), {count['warning']} warning(s), {count['skipped']} skipped"
    return f"Not ready: {numbers}. Fix the problems and run it again." if count["problem"] else f"Ready: {numbers}."


def raw_files(config: Config, name: str, notes: bool) -> list[Line]:
    """Check directories, files and headers of the raw tables of a dataset, and their release."""
    place, dataset = f"{raw.TITLES[name]} raw tables", getattr(config.datasets, name)
    if dataset.source == "synthetic":
        return [Line("warning", place, "synthetic is a stand-in; values are not comparable with the paper's")]
    if to_download(name, dataset):
        return [ok(place, f"the open demo will be downloaded to {dataset.raw}")]
    problems = [line.removeprefix(f"{raw.TITLES[name]}: ") for line in raw_problems(config, name, notes)]
    lines = judged(place, problems, f"all files are in {dataset.raw}, with their columns")
    return lines if problems else [*lines, release(config, name)]


def examples(config: Config) -> list[Line]:
    """Check the worked examples in the teachers' prompts."""
    path = Path(config.rationale.examples)
    return judged("rationale.examples", problems_of_examples(path, Path("resources")), f"{path} can be used in prompts")


def release(config: Config, name: str) -> Line:
    """Compare the release of the raw tables, recognised by their row counts, with the configured one."""
    dataset, place = getattr(config.datasets, name), f"{raw.TITLES[name]} release"
    patients, stays = (rows(raw.raw_path(name, dataset.raw, table)) for table in ("patients", "icustays"))
    actual = raw.release_of(name, patients, stays)
    fact = f"{patients} patients and {stays} ICU stays match {f'release {actual}' if actual else 'no known release'}"
    if dataset.release in raw.declaration()[name]["releases"] and dataset.release != actual:
        return problem(
            place, f"{fact}, but {dataset.release} is configured; correct datasets.{name}.release or the directory"
        )
    if actual is None:
        return Line("warning", place, f"{fact}; compare the directory with the checksums of PhysioNet")
    return ok(place, fact)


def rows(path: Path) -> int:
    """Count the rows of a CSV file without its header; its fields must not contain line breaks."""
    with gzip.open(path) if raw.is_gzip(path) else path.open("rb") as file:
        return max(0, sum(1 for line in file if line.strip()) - 1)


def cluster(requests: list[Request]) -> list[Line]:
    """Check that SLURM accepts each kind of job (`sbatch --test-only`) and its partition is up and allows its run time.

    Without `EnforcePartLimits` sbatch accepts jobs that exceed a limit, and they wait forever.
    """
    if shutil.which("sbatch") is None:
        return [Line("skipped", "SLURM", "sbatch not found; without it use `snakemake --cores N`, not --profile slurm")]
    lines = partition_lines(requests)
    refused = {line.place for line in lines}
    if "SLURM" in refused:  # it does not respond
        return lines
    jobs = {f"SLURM {names}": group[0] for names, group in slurm.kinds(requests).items()}
    return [*lines, *(_accepted(place, request) for place, request in jobs.items() if place not in refused)]


def partition_lines(requests: list[Request]) -> list[Line]:
    """Return a problem for each kind of job whose partition does not exist, is down or has a shorter time limit."""
    if shutil.which("scontrol") is None:
        words = "scontrol not found; run this on a login node, or use `snakemake --cores N` without --profile slurm"
        return [problem("SLURM", words)]
    shown = subprocess.run(
        ["scontrol", "show", "partition", "-o"], capture_output=True, text=True, timeout=30, check=False
    )
    if shown.returncode:
        words = " ".join(shown.stderr.split()) or f"exit status {shown.returncode}"
        return [problem("SLURM", f"scontrol does not respond ({words}); run this on a login node")]
    partitions = slurm.partitions(shown.stdout)
    problems = {names: slurm.partition_problem(group[0], partitions) for names, group in slurm.kinds(requests).items()}
    return [problem(f"SLURM {names}", words) for names, words in problems.items() if words]


def _accepted(place: str, request: Request) -> Line:
    resources = request.resources
    fact = f"{resources.get('mem_mb')} MB, {resources.get('runtime')} min, {request.gpus} GPU(s) per node"
    if words := slurm.refusal(request):
        return problem(place, f"sbatch refuses {fact} ({words}); edit slurm/config.yaml, or lower the request")
    return ok(place, f"{fact}: accepted by {request.partition or 'the default partition'}")
