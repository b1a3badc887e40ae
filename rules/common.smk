"""Functions for the rules; no rule stands here."""

import csv
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from clinragen.audit.captions import RecordedOutput
from clinragen.config.root import load_config
from clinragen.runtime.digest import code_digest
from clinragen.runtime.errors import UserError
from clinragen.knowledge.address import address_of_user
from clinragen.llm.preflight import problems as teacher_problems
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.registry.raw import TITLES, not_ready, raw_path
from clinragen.registry.raw import problems as raw_problems
from clinragen.runner import screen
from clinragen.runner.failures import limit_retries
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger


def validated(raw):
    """The merged configuration, or an error that lists all of its problems."""
    try:
        return load_config(raw)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def start_of_run():
    """Remove the logs of earlier runs of the jobs to come, and show the run on the screen."""
    jobs = list(workflow.dag.needrun_jobs())
    if not workflow.touch:
        # Otherwise the log of an earlier success would be shown as that of a job that SLURM refuses.
        for log in (Path(log) for job in jobs for log in job.log):
            log.unlink(missing_ok=True)
    quiet = {kind.name.lower() for kind in workflow.output_settings.quiet or ()}
    if "all" not in quiet and not workflow.output_settings.verbose:
        screen.show(logger, len(jobs), progress="progress" not in quiet)


def setting(place):
    """Params: one value or one section of the configuration, a section as JSON.

    `{wildcard}` in the place stands for the job's wildcard, as in `datasets.{dataset}.source`.
    """

    def value(wildcards):
        found = CONFIG
        for key in place.format(**wildcards).split("."):
            found = found[key] if isinstance(found, dict) else getattr(found, key)
        return found.model_dump_json() if hasattr(found, "model_dump_json") else found

    value.place = place  # for scripts/why.py
    return value


def raw_release(wildcards):
    """Params: the release that the raw tables must be; empty where they are not checked."""
    return getattr(CONFIG.datasets, wildcards.dataset).release or ""


def raw_tables(*tables):
    """Input: raw tables of the job's dataset, wherever the configuration says they come from."""

    def paths(wildcards):
        dataset = getattr(CONFIG.datasets, wildcards.dataset)
        found = []
        for table in tables:
            if table == "noteevents" and dataset.synthetic_notes:
                found.append(f"<results>/{wildcards.dataset}/demo/NOTEEVENTS.csv.gz")
            else:
                found.append(raw_table(dataset, wildcards.dataset, table))
        return found

    return paths


def diagnosis_tables(wildcards):
    """Input: the billing codes, and their dictionary where it decides which of them count."""
    tables = ["diagnoses_icd"] + ["d_icd_diagnoses"] * (not CONFIG.extract.diagnoses.unlisted_codes)
    return raw_tables(*tables)(wildcards)


def split_lists(wildcards):
    """Input: the user's lists of the test and validation patients."""
    dataset = getattr(CONFIG.datasets, wildcards.dataset)
    return [path for path in (dataset.test_list, dataset.validation_list) if path]


def raw_table(dataset, name, table):
    """Path of one raw table; asking for a table of your own copy checks all of your copies."""
    if dataset.source == "synthetic":
        return str(raw_path(name, f"<results>/{name}/raw", table))
    if dataset.source == "open-demo" and open_demo_to_download():
        return str(raw_path(name, dataset.raw, table))
    found = (
        raw_problems(CONFIG.datasets, CONFIG.extract.diagnoses.unlisted_codes, notes_asked_for())
        + problems_of_services()
    )
    if found:
        raise WorkflowError(not_ready(CONFIG.datasets, found))
    folder = dataset.notes if table == "noteevents" and dataset.notes else dataset.raw
    return str(raw_path(name, folder, table))


def problems_of_services():
    """What would stop the requests to the teacher and to NCBI that are still to come.

    None on compute nodes, whose environment is another one: these requests run where Snakemake runs.
    """
    if not workflow.is_main_process or only_data_asked_for():
        return []

    def made(name):
        return Path(CONFIG.pathvars.results, name).is_file()

    texts, found = {}, []
    if any(model.target == "rationales" for model in CONFIG.models.values()):
        for name in CONFIG.dataset_names():
            if not all(made(f"{name}/rationale/{part}.parquet") for part in ("notes", "labs")):
                texts[TITLES[name]] = getattr(CONFIG.datasets, name).text_source
    if any(model.vocabulary == "knowledge" for model in CONFIG.models.values()):
        if not made("knowledge/terms.parquet"):
            texts["public documents"] = "public"
        if CONFIG.knowledge.source == "online" and not made("knowledge/pubmed.parquet"):
            try:
                address_of_user(CONFIG.knowledge.pubmed.email)
            except UserError as error:
                found.append(str(error))
    return teacher_problems(CONFIG.teacher, CONFIG.teacher_transport, texts) + found


def notes_asked_for():
    """Whether any target of the command line is more than what can be made without notes."""
    targets = [Path(str(target)) for target in workflow.dag_settings.targets or ["all"]]
    without = ["export_benchmark", "phenotyping", "labels", "split", "stays", "diagnoses", "events"]
    without += [f"series_{split}" for split in ("train", "validation", "test")]
    return any(target.stem not in without for target in targets)


def only_data_asked_for():
    """Whether all targets of the command line are of the stages that use no service."""
    targets = list(workflow.dag_settings.targets or [])
    return bool(targets) and all(
        str(target) in ("leakage", "export_benchmark")
        or Path(str(target)).parent.name in ("demo", "extract", "benchmark", "export")
        for target in targets
    )


def authored_texts(source):
    """Input: the texts of our own writing in place of PubMed or Wikipedia, one per phenotype."""
    names = read_phenotypes(Path("resources/phenotypes.csv"))
    return [f"resources/knowledge/{source}/{slug(name)}.md" for name in names]


def offline(files):
    """Input: files that are read only where the knowledge does not come from the network."""
    return files if CONFIG.knowledge.source == "offline" else []


def open_demo_to_download():
    """Whether the open demo is asked for and none of its files is there."""
    dataset = CONFIG.datasets.mimic3
    if dataset is None or dataset.source != "open-demo":
        return False
    return not any(
        raw_path("mimic3", dataset.raw, table).is_file() for table in ("icustays", "chartevents")
    )


def models(table):
    """Names of the trained models of one of the paper's tables."""
    return [name for name, model in CONFIG.models.items() if table in model.table]


def table_files():
    """Input: the tables, in each of their forms."""
    return expand("<results>/tables/table{n}.{form}", n=[1, 2], form=["csv", "html", "png"])


def backbones_in_use():
    """Names of the language models that some trained model needs."""
    return sorted({model.backbone for model in CONFIG.models.values()})


def data_files():
    """Input: what is told of the data of every dataset."""
    tables = [
        "attrition",
        "prevalence",
        "unlabelled_codes",
        "headings",
        "leakage",
        "fences",
        "scales",
    ]
    return expand(
        "<results>/{dataset}/{file}",
        dataset=CONFIG.dataset_names(),
        file=[
            "extract/inventory.csv",
            *(f"benchmark/{table}.csv" for table in tables),
            "benchmark/card.html",
        ],
    )


def scores_of_table(wildcards):
    """Input: the scores of every run that stands in a table.

    A row that the paper's table does not have stops the workflow here, before anything is trained.
    """
    paper = Path(f"resources/paper_table{wildcards.number}.csv")
    with paper.open(encoding="utf-8", newline="") as file:
        known = list(dict.fromkeys(row["model"] for row in csv.DictReader(file)))
    wrong = [name for name in models(int(wildcards.number)) if CONFIG.models[name].row not in known]
    if wrong:
        lines = [f"  - models.{name}.row: {CONFIG.models[name].row!r}" for name in wrong]
        raise WorkflowError(
            "\n".join([f"{paper} has no such row; it has {', '.join(known)}:", *lines])
        )
    return expand(
        "<results>/{dataset}/evaluate/{model}/seed{seed}/scores.csv",
        dataset=CONFIG.dataset_names(),
        model=models(int(wildcards.number)),
        seed=CONFIG.seeds,
    )


def checkpoint_of(wildcards):
    """Input: the last checkpoint of a model; models share those that they agree on."""
    model = CONFIG.models[wildcards.model]
    vocabulary = f"-{model.vocabulary}" if model.vocabulary else ""
    recipe = f"{model.backbone}/{model.target}{vocabulary}/seed{wildcards.seed}"
    return f"<results>/{wildcards.dataset}/train/{recipe}/phase{model.last_phase}"


def series_of_model(wildcards):
    """Input: the series of the test split, for models that read them."""
    if CONFIG.models[wildcards.model].last_phase == 1:
        return []
    return f"<results>/{wildcards.dataset}/benchmark/series_test.arrow"


def local_files_of_backbone(wildcards):
    """Input: the files of a language model that lies in a folder; none when it comes from the hub."""
    folder = Path(CONFIG.backbones[wildcards.backbone].source)
    return sorted(str(p) for p in folder.glob("*") if p.is_file()) if folder.is_dir() else []


def rationales_of(wildcards):
    """Input: the teacher's rationales on notes and on labs, where the target has them."""
    if wildcards.target == "diagnoses":
        return []
    return expand(
        "<results>/{dataset}/rationale/{file}.parquet",
        dataset=wildcards.dataset,
        file=["notes", "labs"],
    )


def title(wildcards):
    """Params: the dataset's name in the paper."""
    return TITLES[wildcards.dataset]


def scratch(pattern):
    """Params: a file or folder under the results that is no output: it outlives killed jobs and reruns."""

    def path(wildcards):
        return str(Path(CONFIG.pathvars.results, pattern.format(**wildcards)))

    return path


def output_record(pattern):
    """Params: an output of the job whose record the captions of the report read."""

    def path(wildcards):
        return RecordedOutput(Path(CONFIG.pathvars.results, pattern.format(**wildcards)))

    return path


def launcher():
    """Params: how a training script is started; jobs can share a node, for each takes a port of its own.

    On several nodes SLURM starts one torchrun each. They meet on the first node, where this line is read, at a port
    and under a name of this start of the job, so that a job that is requeued never meets what is left of itself.
    """
    launch = CONFIG.train.launch
    if launch.nodes > 1:
        return (
            f"srun --nodes {launch.nodes} --ntasks-per-node 1 --cpus-per-task {launch.processes} --kill-on-bad-exit"
            f" torchrun --nnodes {launch.nodes} --nproc-per-node {launch.processes} --rdzv-backend c10d"
            " --rdzv-id ${SLURM_JOB_ID:?train.launch.nodes needs --profile slurm}-$(date +%s)"
            " --rdzv-endpoint $(hostname):$((20000 + SLURM_JOB_ID % 10000))"
        )
    if launch.processes == 1 and not launch.deepspeed:
        return "python"
    return f"torchrun --standalone --nproc-per-node {launch.processes}"


def gpus():
    """Resources: nodes and GPUs of a training job, in the words of Snakemake's SLURM executor."""
    launch = CONFIG.train.launch
    if launch.nodes == 1:
        return {"gpu": launch.processes}
    return {
        "nodes": launch.nodes,
        "gres": f"gpu:{launch.processes}",  # of each node; `gpu` would be those of all, spread as SLURM likes
        "mpi": "srun",  # the job's own command line calls it
        "tasks": launch.nodes,
        "tasks_per_gpu": 0,  # else `tasks` would be taken for them
    }


def scaled(amount):
    """Resources: an amount of memory that grows with each attempt, because a job may have failed for lack of it.

    Time does not grow: a partition with a time limit refuses more, and a training resumes from its checkpoint.
    """

    def value(wildcards, attempt):
        return amount * attempt

    return value


def memory_of_extraction():
    """Resources: what a step of extraction keeps to, and a little for what the operating system counts beside."""
    return CONFIG.extract.memory_limit_mb + 500


def any_of(names):
    """Wildcard constraint: one of the names, or nothing at all where there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"
