"""Helper functions for the rules; defines no rules. What they compute is in scripts/clinragen/workflow/."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from clinragen.config.evaluate import ComparedRuns
from clinragen.config.llms import Stages
from clinragen.config.models import TrainedModels
from clinragen.config.paper import ConfiguredTables, RunOptions, TimedJobs
from clinragen.config.rows import RowNames, Runs, name_of, named_rows
from clinragen.workflow.captions import RecordedOutput
from clinragen.registry.raw import TITLES, raw_path
from clinragen.provenance.digest import code_digest
from clinragen.runner import records, screen
from clinragen.runner.failures import limit_retries
from clinragen.workflow import (
    check,
    compared,
    discussion,
    inputs,
    judged,
    launch,
    paper,
    preflight,
    settings_files,
    shown,
)
from snakemake.logging import logger

TABLE_FORMS = ("csv", "md", "tex", "html")


def start_of_run():
    """Remove the old logs of the jobs about to run, and show the progress of the run."""
    jobs = list(workflow.dag.needrun_jobs())
    if not workflow.touch:
        # Otherwise a job that SLURM refuses would be shown with the log of an earlier success.
        for log in (Path(log) for job in jobs for log in job.log):
            log.unlink(missing_ok=True)
    quiet = {kind.name.lower() for kind in workflow.output_settings.quiet or ()}
    if "all" not in quiet and not workflow.output_settings.verbose:
        screen.show(logger, len(jobs), progress="progress" not in quiet)


def setting(place):
    """Params: a value or a section (as JSON) of the configuration, with the job's variant applied.

    `{wildcard}` in the place is replaced by the job's wildcard, as in `datasets.{dataset}.source`.
    """

    def value(wildcards):
        # The value of a wildcard may contain dots.
        keys = [key.format(**wildcards) for key in place.split(".")]
        node = CONFIG.of_variant(variant_of(wildcards)).at(keys)
        return node.model_dump_json() if hasattr(node, "model_dump_json") else node

    value.place = place  # for scripts/why.py
    return value


def variant_of(wildcards):
    """Return the name of the job's variant, which is `+<name>` in its paths; empty for none."""
    return wildcards.get("variant", "").removeprefix("+")


def of_variant(*patterns):
    """Input: files as the job's variant has them: its own if it changes them, else the shared ones."""

    def paths(wildcards):
        others = {name: value for name, value in wildcards.items() if name != "variant"}
        variant = variant_of(wildcards)
        return [inputs.of_variant(CONFIG, pattern, variant, **others) for pattern in patterns]

    return paths


def of_model(pattern):
    """Input: a file as the variant of the job's model has it."""
    return lambda wildcards: inputs.model_files(CONFIG, pattern, **wildcards)


def sources(wildcards, **job):
    """Params: content hash of the inputs that no rule makes, so that their modification times do not matter.

    Snakemake does not compare params derived from a function parameter called `input`, so it is passed by keyword.
    """
    return inputs.source_digest(CONFIG, job["input"])


def llm_name(place, wildcards):
    """Return the language model that the configuration names at this place, or the job's `{wildcard}`."""
    return wildcards[place[1:-1]] if place.startswith("{") else setting(place)(wildcards or {})


def transport(place):
    """Resources: transport settings of a language model, which Snakemake does not compare; null for the template.

    `place` is where the configuration names the model, or `{wildcard}`.
    """

    def value(wildcards):
        section = CONFIG.llm_transport.get(llm_name(place, wildcards))
        return section.model_dump_json() if section else "null"

    return value


def weights_of(place):
    """Input: the weights of the language model at this place, if the job serves it."""

    def paths(wildcards):
        name = llm_name(place, wildcards)
        return [f"<results>/llms/{name}"] if CONFIG.is_served(name) else []

    return paths


def serving(place):
    """Resources: all resources of a job that serves the language model at this place itself.

    Without a job, as in `make check`, they are the maximum over these models.
    """

    def most(amount):
        def value(wildcards, attempt):
            every = wildcards is None and "{" in place
            names = CONFIG.served_llms() if every else [llm_name(place, wildcards)]
            return max(amount(CONFIG.llm_transport[name].server, attempt) for name in names)

        return value

    return {
        "gpu": most(lambda server, attempt: server.gpus),
        "mem_mb": most(lambda server, attempt: server.request.memory_mb * attempt),
        "runtime": most(lambda server, attempt: server.request.minutes),
        "transport": transport(place),
        "answers": setting("answers"),
    }


def one_job_per_server(place):
    """Resources: one unit of the server that the job uses, which has one, so that its limits hold for the whole run.

    `place` is where the configuration names the model, or `{wildcard}`. Servers that a job starts itself are exempt.
    """

    def units(name):
        return lambda wildcards: int(llm_name(place, wildcards) == name)

    servers = {
        n: f"server_{i}" for i, n in enumerate(CONFIG.llms) if CONFIG.llms[n].provider == "openai"
    }
    for resource in servers.values():
        workflow.register_resource(resource, 1)
    return {resource: units(name) for name, resource in servers.items()}


def llm(place):
    """Params: the settings that affect responses of the language model that the configuration names at this place."""

    def value(wildcards):
        return CONFIG.llms[setting(place)(wildcards)].model_dump_json()

    value.place = place  # for scripts/why.py
    return value


def raw_release(wildcards):
    """Params: the expected release of the raw tables; empty if it is not checked."""
    return getattr(CONFIG.datasets, wildcards.dataset).release or ""


def refresh_date(wildcards):
    """Params: the date before which stored responses of services are ignored; empty if all count."""
    return CONFIG.knowledge.refresh or ""


def raw_tables(*tables):
    """Input: raw tables of the job's dataset; `sources` compares the content of the user's copy."""

    def paths(wildcards):
        own = getattr(CONFIG.datasets, wildcards.dataset).source == "folder"
        files = inputs.raw_tables(CONFIG, wildcards.dataset, tables)
        return [ancient(path) for path in files] if own else files

    return paths


def diagnosis_tables(wildcards):
    """Input: the billing codes, and their dictionary if it determines which of them count."""
    tables = ["diagnoses_icd"] + ["d_icd_diagnoses"] * (not CONFIG.extract.diagnoses.unlisted_codes)
    return raw_tables(*tables)(wildcards)


def split_lists(wildcards):
    """Input: the user's lists of the test and validation patients."""
    dataset = getattr(CONFIG.datasets, wildcards.dataset)
    return [path for path in (dataset.test_list, dataset.validation_list) if path]


def authored_texts(source):
    """Input: the offline texts that replace PubMed or Wikipedia, one per phenotype."""
    return inputs.authored_texts(source)


def offline_texts(wildcards):
    """Input: the texts that replace PubMed or Wikipedia, if knowledge does not come from the network."""
    return authored_texts(wildcards.source) if CONFIG.knowledge.source == "offline" else []


def documents_of_terms():
    """Input: the documents of the sources that the key terms come from."""
    return expand("<results>/knowledge/{source}.parquet", source=CONFIG.knowledge.terms.sources)


def mentions_of_source(wildcards):
    """Input: the documents of each key term, if the vocabulary is the part that comes from one source."""
    return [] if wildcards.documents == "vocab" else "<results>/knowledge/mentions.parquet"


def backbones_with_knowledge():
    """Return the names of the language models whose vocabulary V^k some trained model attends to."""
    return sorted({m.backbone for m in CONFIG.models.values() if m.uses_knowledge})


def knowledge_files():
    """Input: the key terms, the vocabularies, and the tables and figure about them."""
    files = ["terms.csv", "convergence.csv", "convergence.png", "sources.csv", "knowledge.html"]
    files += [
        f"vocab/{name}.{kind}" for name in backbones_with_knowledge() for kind in ("json", "csv")
    ]
    return expand("<results>/knowledge/{file}", file=files)


def knowledge_files_in_use():
    """Input: the same, if some trained model attends to a vocabulary V^k."""
    return knowledge_files() if backbones_with_knowledge() else []


def vocabulary_of_student(wildcards):
    """Input: the vocabulary of the attention: V^k, the part of one source, or all tokens."""
    return inputs.vocabulary(wildcards.vocabulary, wildcards.backbone)


def synthetic_datasets(*names):
    """Those of the named datasets whose raw files the workflow generates."""
    datasets = {name: getattr(CONFIG.datasets, name) for name in names}
    return [name for name, dataset in datasets.items() if dataset and dataset.source == "synthetic"]


def synthetic_notes(*names):
    """Those of the named datasets whose notes the workflow composes from existing raw tables."""
    datasets = {name: getattr(CONFIG.datasets, name) for name in names}
    return [name for name, dataset in datasets.items() if dataset and dataset.synthetic_notes]


def open_demos_to_download():
    """Return the names of the datasets that are an open demo of which no file exists."""
    names = CONFIG.dataset_names()
    return [n for n in names if preflight.to_download(n, getattr(CONFIG.datasets, n))]


def open_demo_table(dataset, table):
    """Output: a table of the open demo where it has to be downloaded, otherwise a path that no job needs.

    Snakemake removes the outputs of a job before it runs, so a table that exists must not be one of them.
    """
    if dataset in open_demos_to_download():
        return str(raw_path(dataset, getattr(CONFIG.datasets, dataset).raw, table))
    return f"<results>/{dataset}/demo/not-downloaded/{table}.csv.gz"


def share_of_rehearsal(wildcards):
    """Params: the share of the real releases' rows that a rehearsal writes; empty for the demo."""
    return CONFIG.demo.share or ""


def page_templates(*own):
    """Input: the templates of a page, shared ones included."""
    names = ["base.html", "style.css", "macros.html", *(f"{name}.html" for name in own)]
    return [f"scripts/clinragen/pages/templates/{name}" for name in names]


def backbones_in_use():
    """Return the names of the language models that some trained model needs."""
    return sorted({model.backbone for model in CONFIG.models.values()})


def encoders_in_use():
    """Return the names of the text encoders that some trained model is built on."""
    return CONFIG.used_encoders()


def data_files():
    """Input: data summaries of every dataset."""
    return expand(
        "<results>/{dataset}/{file}", dataset=CONFIG.dataset_names(), file=inputs.data_summaries()
    )


def title(wildcards):
    """Params: the dataset's name in the paper."""
    return TITLES[wildcards.dataset]


def scratch(pattern):
    """Params: a file or directory in the results that is not an output: killed jobs and reruns keep it."""
    return lambda wildcards: str(Path(CONFIG.pathvars.results, pattern.format(**wildcards)))


def output_record(pattern):
    """Params: an output of the job, through which the report's captions read its record."""
    return lambda wildcards: RecordedOutput(
        Path(CONFIG.pathvars.results, pattern.format(**wildcards))
    )


def minutes(stage):
    """Resources: the time of a job of a stage that needs a language model."""

    def value(wildcards):
        each = (CONFIG.request_of(stage, name).minutes for name in backbones_of_job(wildcards))
        return max(each, default=getattr(CONFIG, stage).request.minutes)

    return value


def decoded_together(wildcards):
    """Resources: number of samples decoded at once."""
    batches = (CONFIG.backbones[name].batch for name in backbones_of_job(wildcards))
    return min((batch for batch in batches if batch), default=CONFIG.evaluate.batch)


def scaled(amount):
    """Resources: memory that grows with each attempt, because a job may have failed for lack of it.

    Time does not grow: a partition with a time limit refuses more, and a training resumes from its checkpoint.
    """

    def value(wildcards, attempt):
        return amount * attempt

    return value


def memory_of_extraction():
    """Resources: the memory limit of an extraction step, plus a margin for memory that DuckDB does not count."""
    return CONFIG.extract.memory_limit_mb + 500


def any_of(names):
    """Return a wildcard constraint that matches one of the names; it never matches if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"
