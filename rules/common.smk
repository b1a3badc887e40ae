"""Functions for the rules; no rule stands here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from clinragen.config.root import load_config
from clinragen.kernel.digest import code_digest
from clinragen.kernel.errors import UserError
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.registry.raw import problems, raw_path
from snakemake.exceptions import WorkflowError

RESOURCES = "resources"


def validated(raw):
    """The merged configuration, or an error that lists all of its problems."""
    try:
        return load_config(raw)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def setting(place):
    """Params: one value or one section of the configuration, a section as JSON.

    `{wildcard}` in the place stands for the job's wildcard, as in `datasets.{dataset}.release`.
    """

    def value(wildcards):
        found = CONFIG
        for key in place.format(**wildcards).split("."):
            found = found[key] if isinstance(found, dict) else getattr(found, key)
        return found.model_dump_json() if hasattr(found, "model_dump_json") else found

    return value


def raw_tables(*tables):
    """Input: raw tables of the job's dataset, wherever the configuration says they come from."""

    def paths(wildcards):
        dataset = getattr(CONFIG.datasets, wildcards.dataset)
        found = []
        for table in tables:
            if table == "noteevents" and dataset.notes == "synthetic":
                found.append(f"<results>/{wildcards.dataset}/demo/NOTEEVENTS.csv.gz")
            else:
                found.append(raw_table(dataset, wildcards.dataset, table))
        return found

    return paths


def raw_table(dataset, name, table):
    """Path of one raw table; asking for a table of your own copy checks all of your copies."""
    if dataset.source == "synthetic":
        return str(raw_path(name, f"<results>/{name}/raw", table))
    if dataset.source == "open-demo" and not Path(dataset.raw).is_dir():
        return str(raw_path(name, dataset.raw, table))
    found = problems(CONFIG.datasets)
    if found:
        raise WorkflowError("\n".join(found))
    folder = dataset.notes if table == "noteevents" and dataset.notes else dataset.raw
    return str(raw_path(name, folder, table))


def authored_texts(source):
    """Input: the authored texts in place of PubMed or Wikipedia; none when the stage is online."""

    def paths(wildcards):
        if CONFIG.knowledge.source == "online":
            return []
        folder = Path(RESOURCES, "knowledge", source)
        names = read_phenotypes(Path(workflow.basedir, RESOURCES, "phenotypes.csv"))
        return [f"{folder}/{slug(name)}.md" for name in names]

    return paths


def journal(place):
    """Params: a file under <results> that is no output: it outlives failures and reruns."""

    def path(wildcards):
        return f"{CONFIG.pathvars['results']}/{place.format(**wildcards)}"

    return path


def models(table=None):
    """Names of the trained models, of one of the paper's tables or of all."""
    return [name for name, model in CONFIG.models.items() if table is None or table in model.table]


def checkpoint_of(wildcards):
    """Input: the last checkpoint of a model; models share those that they agree on."""
    model = CONFIG.models[wildcards.model]
    vocabulary = "" if model.last_phase == 1 else f"-{model.vocabulary}"
    return (
        f"<results>/{wildcards.dataset}/train/{model.backbone}/{model.target}{vocabulary}"
        f"/seed{wildcards.seed}/phase{model.last_phase}"
    )
