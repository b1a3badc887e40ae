"""Which files the rules read, as the configuration says; `<results>` is replaced by Snakemake."""

import itertools
from collections.abc import Iterable
from pathlib import Path

from clinragen.config.asked import Asked
from clinragen.config.llms import Stage
from clinragen.config.models import Model, Trained
from clinragen.config.root import Config
from clinragen.config.student import Lengths
from clinragen.provenance.content import content_digest
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.registry.raw import TITLES, raw_path

# Numbers of the paper's tables that are made.
TABLES = (1, 2)


def raw_tables(config: Config, name: str, tables: Iterable[str]) -> list[str]:
    """Raw tables of a dataset, from your copy or from the rules that make them."""
    dataset = getattr(config.datasets, name)
    # The preflight refuses a run without directory; commands that run no job, such as --unlock, get this far.
    unset = f"datasets.{name}.raw-is-not-set"
    paths = []
    for table in tables:
        notes = table == "noteevents"
        if notes and dataset.synthetic_notes:
            paths.append(f"<results>/{name}/demo/NOTEEVENTS.csv.gz")
        elif dataset.source == "synthetic":
            paths.append(str(raw_path(name, f"<results>/{name}/raw", table)))
        else:
            folder = dataset.notes if notes and dataset.notes else dataset.raw
            paths.append(str(raw_path(name, folder or unset, table)))
    return paths


def source_digest(config: Config, paths: Iterable[str]) -> str:
    """Content hash of those of a job's inputs that no rule makes.

    The tables of the open demo are left out: a rule may have downloaded them.
    """
    made, demo = [config.pathvars.results], config.datasets.mimic3
    if demo is not None and demo.source == "open-demo":
        made.append(demo.raw)
    return content_digest(path for path in paths if not any(Path(path).is_relative_to(folder) for folder in made))


def checkpoint(config: Config, dataset: str, model: str, seed: str) -> str:
    """The last checkpoint of a model; models that agree in a phase share its checkpoint."""
    row = config.models[model]
    return _checkpoint(row, dataset, seed, row.last_phase)


def checkpoints(config: Config) -> list[str]:
    """The checkpoints of every phase of every run, each once, in the order of datasets, models, seeds and phases."""
    runs = itertools.product(config.dataset_names(), config.models.values(), config.seeds)
    found = (_checkpoint(row, d, seed, phase) for d, row, seed in runs for phase in range(1, row.last_phase + 1))
    return list(dict.fromkeys(found))


def trained(config: Config) -> list[tuple[str, Trained]]:
    """The last checkpoint of every model on every dataset, and what it is; of the first seed, since all are alike.

    By name, because overlays may change the order of the models.
    """
    return [
        (
            checkpoint(config, dataset, name, str(config.seeds[0])),
            Trained(dataset=TITLES[dataset], name=name, row=row.row, backbone=row.backbone),
        )
        for dataset, (name, row) in itertools.product(config.dataset_names(), sorted(config.models.items()))
    ]


def _checkpoint(row: Model, dataset: str, seed: object, phase: int) -> str:
    vocabulary = f"-{row.vocabulary}" if phase > 1 else ""
    return f"<results>/{dataset}/train/{row.backbone}/{target(row)}{vocabulary}/seed{seed}/phase{phase}"


def target(row: Model) -> str:
    """What a model learns to write, and from whom, as paths name it."""
    return f"rationales-{row.teacher}" if row.teacher else "diagnoses"


def rationales(dataset: str, target: str) -> list[str]:
    """The rationales on notes and on labs that a target has."""
    teacher = target.removeprefix("rationales-")
    parts = [] if target == "diagnoses" else ["notes", "labs"]
    return [f"<results>/{dataset}/rationale/{teacher}/{part}.parquet" for part in parts]


def scores(config: Config, table: int) -> list[str]:
    """The scores of every run of a table: of each training, and of each model that is asked."""
    models = [name for name, model in config.models.items() if table in model.table]
    runs = [f"{name}/seed{seed}" for name in models for seed in config.seeds]
    runs += [f"{name}/asked" for name, row in config.asked.items() if table in row.table]
    return [f"<results>/{dataset}/evaluate/{run}/scores.csv" for dataset in config.dataset_names() for run in runs]


def predictions(dataset: str, model: str, run: str) -> str:
    """The predictions of a training, whose run is called `seed<n>`, or of a model that is `asked`."""
    if run == "asked":
        return f"<results>/{dataset}/asked/{model}/predictions.parquet"
    return f"<results>/{dataset}/evaluate/{model}/{run}/predictions.parquet"


def asked(config: Config) -> list[str]:
    """The predictions of every model that is asked, and the scores of those that name the diagnoses themselves."""
    files = []
    for dataset, (name, row) in itertools.product(config.dataset_names(), config.asked.items()):
        files.append(predictions(dataset, name, "asked"))
        if row.is_scored:
            files.append(f"<results>/{dataset}/evaluate/{name}/asked/scores.csv")
    return files


def prompts_of_asked(row: Asked) -> list[str]:
    """The prompts of the questions of a model that is asked, in their order."""
    if row.question.task == "diagnose":
        names = ["diagnosis"]
    else:
        names = ["note_rationale" if row.question.given_diagnoses else "diagnosis_rationale", "lab_rationale"]
    return [f"resources/prompts/{name}.txt" for name in names]


def rationales_in_use(config: Config) -> list[str]:
    """The rationales of every dataset and teacher."""
    pairs = itertools.product(config.dataset_names(), config.teachers())
    return [path for dataset, teacher in pairs for path in rationales(dataset, f"rationales-{teacher}")]


def answers(config: Config) -> list[tuple[str, Stage]]:
    """The tables of answers of language models behind the results, and what each of them holds."""
    found = []
    if any(model.vocabulary == "knowledge" for model in config.models.values()):
        found.append(("<results>/knowledge/answers.parquet", _stage(config, "terms", None, config.knowledge.terms.llm)))
    for dataset, teacher in itertools.product(config.dataset_names(), config.teachers()):
        paths = rationales(dataset, f"rationales-{teacher}")
        for path, stage in zip(paths, ("note_rationale", "lab_rationale"), strict=True):
            found.append((path, _stage(config, stage, dataset, teacher)))
    for dataset, (name, row) in itertools.product(config.dataset_names(), config.asked.items()):
        found.append((predictions(dataset, name, "asked"), _stage(config, f"asked/{name}", dataset, row.llm)))
    return found


def _stage(config: Config, stage: str, dataset: str | None, name: str) -> Stage:
    llm, transport = config.llms[name], config.llm_transport.get(name)
    price = transport.price if transport else None
    return Stage(stage=stage, dataset=dataset, llm=name, provider=llm.provider, model=llm.model, price=price)


def lengths(config: Config, backbone: str) -> Lengths:
    """Most tokens that a language model has before it in any of the models that are trained from it."""
    texts, encoder = config.student.texts, config.student.fusion.series_encoder
    reads_series = any(m.last_phase > 1 for m in config.models.values() if m.backbone == backbone)
    per_channel = config.benchmark.series.max_steps // encoder.patch if encoder.token == "all" else 1
    return Lengths(
        labs=config.benchmark.series.variables * per_channel * reads_series,
        note=texts.max_note_tokens,
        target=max(texts.max_target_tokens, config.evaluate.decoding.max_new_tokens),
    )


def backbone_files(source: str) -> list[str]:
    """The files of a language model that is a directory; none if it comes from the hub."""
    folder = Path(source)
    return sorted(str(p) for p in folder.glob("*") if p.is_file()) if folder.is_dir() else []


def authored_texts(source: str) -> list[str]:
    """The offline texts that replace PubMed or Wikipedia, one per phenotype."""
    names = read_phenotypes(Path("resources/phenotypes.csv"))
    return [f"resources/knowledge/{source}/{slug(name)}.md" for name in names]


def data_summaries() -> list[str]:
    """Data summaries of a dataset, below its results directory."""
    tables = ("attrition", "prevalence", "unlabelled_codes", "headings", "leakage", "fences", "scales")
    return ["extract/inventory.csv", *(f"benchmark/{table}.csv" for table in tables), "benchmark/card.html"]
