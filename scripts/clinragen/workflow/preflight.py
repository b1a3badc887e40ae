"""Problems that would stop a run, reported together before its first job, each with its place and remedy."""

import csv
import itertools
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from functools import cache, partial
from pathlib import Path
from typing import Any

from clinragen.config.datasets import Dataset
from clinragen.config.models import Model
from clinragen.config.root import Config, invalid, load_config
from clinragen.config.rows import BEYOND, row_in
from clinragen.config.student import STAND_INS
from clinragen.errors import UserError
from clinragen.knowledge.address import address_of_user
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import foresee, locate, open_by_config, permit
from clinragen.llm.serve import LOOPBACK
from clinragen.rationale.examples import problems_of_examples
from clinragen.registry import raw
from clinragen.registry.language_models import adapters_problem, problems_of, read_config
from clinragen.registry.text_encoders import problems_of_encoder
from clinragen.workflow.inputs import adapted_layers, lengths, rationales_in_use
from clinragen.workflow.needs import (
    ASKED,
    BACKBONE,
    ENCODER,
    GPU,
    JUDGE,
    NOTES,
    PUBMED,
    RATIONALES,
    RAW,
    RESPONSES,
    TERMS,
    WEIGHTS,
    Need,
    needs_of,
)

LOCAL = "config/local.yaml"
# Snakemake commands that run no job, as attributes of its parsed arguments.
WITHOUT_JOBS = (
    *("lint", "list_rules", "list_target_rules", "print_compilation", "containerize", "reporter", "dag", "rulegraph"),
    *("filegraph", "d3dag", "unlock", "touch", "cleanup_metadata", "cleanup_shadow", "conda_cleanup_envs"),
    *("conda_create_envs_only", "list_conda_envs", "list_changes", "list_untracked", "summary", "detailed_summary"),
    *("archive", "delete_all_output", "delete_temp_output", "generate_unit_tests"),
)


def valid_config(merged: dict[str, Any], resources: Path) -> Config:
    """Return the validated configuration; SystemExit with all of its problems.

    SystemExit, because Snakemake adds file, line and traceback to every other exception.
    """
    try:
        config = load_config(merged)
    except UserError as error:
        raise SystemExit(str(error)) from None
    if lines := row_problems(config, resources):
        raise SystemExit(invalid(lines))
    return config


def stop_if_tracked_inputs_are_missing(paths: Iterable[Any]) -> None:
    """Raise SystemExit naming missing resources and templates: Snakemake would not notice their absence."""
    tracked = {str(path) for path in paths if str(path).startswith(("resources/", "scripts/")) and "{" not in str(path)}
    missing = sorted(path for path in tracked if not Path(path).is_file())
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}; restore with: git checkout -- {' '.join(missing)}")


def stop_unless_ready(config: Config) -> None:
    """Raise SystemExit if something that the targets of the running `snakemake` command need is missing.

    With `--until` or `--omit-from` the targets do not determine what runs; the jobs then report what is missing.
    """
    args = command_line()
    if args is None or not runs_jobs(args) or args.until or args.omit_from:
        return
    lines = problems(config, needs_of(args.targets or ["all"], config), args.executor)
    if lines:
        raise SystemExit(message(config, lines))


def is_audited() -> bool:
    """Return whether the running `snakemake` command makes the lineage of a results tree."""
    args = command_line()
    if args is None or not runs_jobs(args) or args.until or args.omit_from:
        return False
    return bool({"all", "audit"} & set(args.targets or ["all"]))


def runs_jobs(args: Namespace) -> bool:
    """Return whether a `snakemake` command with these arguments runs jobs, `--dry-run` aside."""
    return not any(getattr(args, name, None) for name in WITHOUT_JOBS)


@cache
def command_line() -> Namespace | None:
    """Return the arguments of the running `snakemake` command, profiles included; None in any other program.

    Snakemake exposes the targets only after the Snakefile has been read.
    """
    program = Path(sys.argv[0])
    if "snakemake" not in (program.name, program.parent.name):
        return None
    from snakemake.cli import parse_args

    with Path(os.devnull).open("w") as null, redirect_stderr(null):  # the profiles have been printed before
        return parse_args(sys.argv[1:])[1]


def message(config: Config, lines: Iterable[str]) -> str:
    """Return one message with all problems, where to get access to the data, and what works without it."""
    access = [raw.declaration()[name]["access"] for name in config.dataset_names()]
    return "\n".join(
        [
            "cannot start; fix the following first:",
            *(f"  - {line}" for line in lines),
            "",
            f"Settings go to {LOCAL} (see config/local.example.yaml); `make check` checks all of them.",
            f"Access to the data: docs/data-access.md, {', '.join(access)}",
            "Without MIMIC: `make demo` runs the whole workflow on synthetic raw files.",
        ]
    )


def problems(config: Config, needs: set[Need], executor: str | None) -> list[str]:
    """Return a line for every unmet need, except needs of outputs that already exist.

    `executor` is Snakemake's: training on several nodes needs `slurm`.
    """
    lines: list[str] = []
    for name in raw.TITLES:
        if Need(RAW, name) in needs:
            lines += raw_problems(config, name, Need(NOTES, name) in needs)
    for name, texts in texts_to_send(config, needs).items():
        lines += llm_problems(config, name, texts)
    # Imported here, because this reads tables and every job of a run imports this module.
    from clinragen.workflow.prompts import prompt_problems

    lines += prompt_problems(Path("resources/prompts"))
    if any(need.kind == RATIONALES for need in needs):
        lines += problems_of_examples(Path(config.rationale.examples), Path("resources"))
    responses = config.evaluate.study.responses
    if Need(RESPONSES) in needs and responses is not None:
        lines += response_problems(Path(responses))
    lines += email_problems(config, needs)
    for kind, name in sorted(needs):
        if kind == BACKBONE and name in config.backbones:
            lines += backbone_problems(name, config)
        if kind == ENCODER and name in config.encoders:
            lines += encoder_problems(name, config)
        if kind == WEIGHTS and not _exists(config, f"llms/{name}"):
            lines += directory_problems(f"llms.{name}.model", config.llms[name].model)
    nodes = config.train.launch.nodes
    if Need(GPU) in needs and nodes > 1 and executor != "slurm":
        lines.append(f"train.launch.nodes: {nodes} nodes need SLURM; use `--profile slurm`, or set it to 1")
    return lines


def response_problems(directory: Path) -> list[str]:
    """Check the directory of the raters' files; only the job reads their content."""
    if directory.is_dir() and any(directory.glob("*.csv")):
        return []
    fact = "has no .csv file" if directory.is_dir() else "is not a directory"
    return [
        f"evaluate.study.responses: {directory} {fact}; name the directory with the files that the raters' forms saved,"
        " or set it to null"
    ]


def raw_problems(config: Config, name: str, notes: bool) -> list[str]:
    """Check the raw tables of one dataset, unless the workflow makes them itself."""
    dataset = getattr(config.datasets, name)
    if to_download(name, dataset):
        return []
    datasets = config.datasets.model_copy(update={other: None for other in raw.TITLES if other != name})
    return raw.problems(datasets, config.extract.diagnoses.unlisted_codes, notes)


def to_download(name: str, dataset: Dataset | None) -> bool:
    """Return whether the dataset is the open demo and none of its files exists."""
    if dataset is None or dataset.source != "open-demo" or dataset.raw is None:
        return False
    paths = (raw.raw_path(name, dataset.raw, table) for table in ("icustays", "chartevents"))
    return not any(path.is_file() for path in paths)


def texts_to_send(config: Config, needs: set[Need]) -> dict[str, dict[str, str]]:
    """Return the texts that each language model will be sent: by model, title of the data and their source."""
    texts: dict[str, dict[str, str]] = {}
    for teacher, (name, title) in itertools.product(config.teachers(), raw.TITLES.items()):
        stem = f"<results>/{name}/rationale/{teacher}"
        files = [
            path.removeprefix("<results>/")
            for path in rationales_in_use(config)
            if path.startswith((f"{stem}/", f"{stem}+"))
        ]
        if Need(RATIONALES, name) in needs and not all(_exists(config, file) for file in files):
            texts.setdefault(teacher, {})[title] = getattr(config.datasets, name).text_source
    for name, row in (need.name.split("/") for need in sorted(needs) if need.kind == ASKED):
        if not _exists(config, f"{name}/asked/{row}/predictions.parquet"):
            source = getattr(config.datasets, name).text_source
            texts.setdefault(config.asked[row].llm, {})[raw.TITLES[name]] = source
    for name, judge in (need.name.split("/") for need in sorted(needs) if need.kind == JUDGE):
        if not _exists(config, f"{name}/evaluate/judge/{judge}/ratings.parquet"):
            texts.setdefault(judge, {})[raw.TITLES[name]] = getattr(config.datasets, name).text_source
    if Need(TERMS) in needs and not _exists(config, "knowledge/terms.parquet"):
        texts.setdefault(config.knowledge.terms.llm, {})["public documents"] = "public"
    return texts


def llm_problems(config: Config, name: str, texts: dict[str, str], look_up: bool = False) -> list[str]:
    """Return what would stop requests to a language model about these texts: missing permission or key.

    Without `look_up` no name server is asked, because a dry run must work without a network.
    """
    if config.llms[name].provider == "template" or not texts:
        return []
    transport, section = config.llm_transport[name], f"llm_transport.{name}"
    lines = []
    base_url = transport.base_url or f"http://{LOOPBACK}"
    try:
        destination = foresee(base_url, transport.data_use, transport.local_hosts, section)
        if look_up:
            try:
                destination = locate(base_url, transport.local_hosts, section)
            except UserError as error:
                lines.append(str(error))
    except UserError as error:
        return [str(error)]
    checks: list[Callable[[], object]] = [
        partial(
            permit,
            destination,
            section=section,
            data_use=transport.data_use,
            allowed_hosts=transport.allowed_hosts,
            data=data,
            stored=transport.batch,
            restricted=[] if open_by_config(source) else [f"its source is {source}"],
        )
        for data, source in texts.items()
    ]
    checks.append(partial(api_key, destination, transport.api_key_variable, section))
    return lines + [line for check in checks for line in _message_of(check)]


def email_problems(config: Config, needs: set[Need]) -> list[str]:
    """Check the e-mail address for NCBI and Wikimedia, if documents still have to be retrieved."""
    if config.knowledge.source == "offline" or Need(PUBMED) not in needs:
        return []
    if all(_exists(config, f"knowledge/{source}.parquet") for source in ("pubmed", "wikipedia")):
        return []
    return _message_of(partial(address_of_user, config.knowledge.pubmed.email))


def backbone_problems(name: str, config: Config) -> list[str]:
    """Check a language model that is a directory or has been fetched.

    One on the hub is checked by `make check` and by rule train_backbone.
    """
    place, source, modules = f"backbones.{name}.source", config.backbones[name].source, adapted_layers(config, name)
    if config.backbones[name].is_stand_in:
        words = adapters_problem(source, STAND_INS[source], modules)
        return [f"{place}: {words}"] if words else []
    return _fetchable(config, "backbones", name, partial(problems_of, lengths=lengths(config, name), modules=modules))


def encoder_problems(name: str, config: Config) -> list[str]:
    """Check a text encoder that is a directory or has been fetched."""
    if config.encoders[name].is_stand_in:
        return []
    building = name in config.trained_encoders()
    return _fetchable(config, "encoders", name, partial(problems_of_encoder, building=building))


def _fetchable(config: Config, section: str, name: str, problems: Callable[[Path, str], list[str]]) -> list[str]:
    """Check a model of a section that is a directory or has been fetched."""
    place, source = f"{section}.{name}.source", getattr(config, section)[name].source
    fetched = Path(config.pathvars.results, section, name)
    directory = fetched if fetched.is_dir() else Path(source)
    if (lines := directory_problems(place, str(directory))) or not directory.is_dir():
        return lines
    return [f"{place}: {line}" for line in problems(directory, source)]


def directory_problems(place: str, source: str) -> list[str]:
    """Check a language model that is a directory; nothing is checked if `source` is a name on the hub."""
    directory = Path(source)
    if not directory.is_dir():
        is_path = source.startswith(("/", ".", "~"))
        return [f"{place}: {source} is not a directory"] if is_path else []
    try:
        read_config(directory)
    except UserError as error:
        return [f"{place}: {error}"]
    if not any(directory.glob("*.safetensors")):
        return [f"{place}: {directory} has no weights in safetensors format; save them with save_pretrained"]
    return []


def row_problems(config: Config, resources: Path) -> list[str]:
    """Return a line for each row of `models` or `asked` that resources/paper_table<n>.csv lacks."""
    places = {f"{s}.{name}": row for s in ("models", "asked") for name, row in getattr(config, s).items()}
    lines = []
    for number in sorted({n for row in places.values() for n in row.table}):
        paper = resources / f"paper_table{number}.csv"
        with paper.open(encoding="utf-8", newline="") as file:
            rows = list(dict.fromkeys(cell["model"] for cell in csv.DictReader(file)))
        for place, row in places.items():
            name = row_in(row, number) if isinstance(row, Model) else row.row
            if number in row.table and name not in (*rows, *(BEYOND if number == 1 else ())):
                lines.append(f"{place}.row: {name!r} is not a row of {paper.name}; rows: {'; '.join(rows)}")
    return lines


def _exists(config: Config, name: str) -> bool:
    return Path(config.pathvars.results, name).exists()


def _message_of(check: Callable[[], object]) -> list[str]:
    """Return the message of a check that fails, or nothing."""
    try:
        check()
    except UserError as error:
        return [str(error)]
    return []
