"""Which files the rules read, as the configuration says; `<results>` is replaced by Snakemake."""

import itertools
from collections.abc import Iterable
from pathlib import Path

from clinragen.config.asked import Asked
from clinragen.config.classifiers import Reader
from clinragen.config.llms import Stage
from clinragen.config.models import Model, Trained
from clinragen.config.root import Config
from clinragen.config.rows import row_in
from clinragen.config.student import Lengths, Parts, Texts
from clinragen.provenance.content import content_digest
from clinragen.registry.features import FEATURES
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.registry.raw import TITLES, raw_path
from clinragen.workflow.variants import NOTE_ONLY, RATIONALE_FIRST, kind_of, suffix

# Numbers of the paper's tables of diagnoses whose rows are compared with each other.
TABLES = (1, 2)
# Tables that the claims of the paper are about, beside its printed ones.
BEHIND_CLAIMS = (
    *("intervals", "comparisons", "texts", "parameters", "table3", "discussion"),
    *("judge", "study", "study_agreement"),
)
# In place of a seed: the run of what learns nothing.
UNTRAINED = "untrained"


def of_variant(config: Config, pattern: str, variant: str | None, **wildcards: str) -> str:
    """The path of a file for a variant: its own where the variant changes the file, else the one that all share.

    `{variant}` stands at the end of the directory in the pattern that names the variant.
    """
    kind = kind_of(pattern)
    name = suffix(config, variant, kind, wildcards.get("target", ""), wildcards.get("parts")) if kind else ""
    return pattern.format(**wildcards, variant=name)


def reader(config: Config, name: str) -> Reader:
    """What a trained row of `classifiers` reads, and through what."""
    row, series = config.classifiers[name], config.benchmark.series
    return Reader(
        method=row.method,
        series_encoder=config.student.fusion.series_encoder if row.method == "patchtst" else None,
        steps=series.max_steps if row.reads_series else None,
        lstm=row.lstm,
        pooling=row.pooling,
    )


def model_files(config: Config, pattern: str, model: str, **wildcards: str) -> str:
    """The path of a file as a model reads it, by its variant; classifiers have none."""
    if model in config.classifiers:
        return of_variant(config, pattern, None, **wildcards, model=model)
    row = config.models[model]
    return of_variant(config, pattern, row.variant, **wildcards, model=model, target=target(row))


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
    return stage_checkpoint(config, row, dataset, seed, row.stages[-1])


def checkpoints(config: Config) -> list[str]:
    """The checkpoints of every phase of every run, each once, in the order of datasets, models, seeds and phases."""
    runs = itertools.product(config.dataset_names(), config.models.values(), config.seeds)
    found = (stage_checkpoint(config, row, dataset, seed, stage) for dataset, row, seed in runs for stage in row.stages)
    others = itertools.product(config.dataset_names(), config.trained_classifiers(), config.seeds)
    return [*dict.fromkeys(found), *(classifier(dataset, name, seed) for dataset, name, seed in others)]


def classifier(dataset: str, name: str, seed: object) -> str:
    """The checkpoint of a trained row of `classifiers`."""
    return f"<results>/{dataset}/train/{name}/phenotypes/seed{seed}/classifier"


def tokens_in_use(config: Config) -> list[str]:
    """The tokens of notes and targets that any model reads or learns to write, each file once."""
    folder = "<results>/{dataset}/train/{backbone}"
    found = []
    for dataset, row in itertools.product(config.dataset_names(), config.models.values()):
        own = {"dataset": dataset, "backbone": row.backbone, "target": target(row)}
        patterns = [f"{folder}{{variant}}/note_tokens.arrow", f"{folder}/{{target}}{{variant}}/target_tokens.arrow"]
        found += [of_variant(config, pattern, row.variant, **own) for pattern in patterns]
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


def stage_checkpoint(config: Config, row: Model, dataset: str, seed: object, stage: str) -> str:
    """The checkpoint of one of the trainings that lead to a model."""
    parts = None if stage.startswith("phase") else row.parts_name
    own = {"phase1": "", "phase2": f"-{row.vocabulary}", "phase3": f"-{row.vocabulary}"}.get(stage, f"-{parts}")
    variant = suffix(config, row.variant, stage, target(row), parts)
    return f"<results>/{dataset}/train/{row.backbone}/{target(row)}{own}{variant}/seed{seed}/{stage}"


def vocabulary(name: str, backbone: str) -> str:
    """The file of a vocabulary: V^k, the part of one source, or all tokens."""
    return f"<results>/knowledge/{'vocab' if name == 'knowledge' else name}/{backbone}.json"


def base(config: Config, model: str) -> list[str]:
    """The language model without which a checkpoint that holds only adapters cannot be read; none for others."""
    row = config.models[model]
    return [f"<results>/backbones/{row.backbone}"] * (row.training == "lora")


def parts_names(config: Config) -> list[str]:
    """What the models with a stage of their own read, as paths name it."""
    return sorted({row.parts_name for row in config.models.values() if row.stages[-1] in ("joint", "lora", "frozen")})


def parts(config: Config, name: str) -> Parts:
    """What a model of this name of its parts reads, what stands before its language model, and the settings of both."""
    found = next(row.parts for row in config.models.values() if row.parts_name == name)
    own: dict[str, object] = {}
    if found.series:
        own |= {"fusion": config.student.fusion, "steps": config.benchmark.series.max_steps}
    if found.soft_prompts:
        own["soft_prompt"] = config.student.soft_prompt
    return found.model_copy(update=own)


def target(row: Model) -> str:
    """What a model learns to write, and from whom, as paths name it."""
    if not row.teacher:
        return "diagnoses"
    order = RATIONALE_FIRST * (row.target_order == "rationale_first")
    return f"{order}{NOTE_ONLY * (row.target == 'note_rationale')}rationales-{row.teacher}"


def targets(config: Config) -> list[str]:
    """What the models learn to write, as paths name it."""
    return sorted({target(row) for row in config.models.values()})


def rationale_first(target: str) -> bool:
    """Whether the diagnoses are the last section of a target, by its name in paths."""
    return target.startswith(RATIONALE_FIRST)


def rationales(config: Config, dataset: str, target: str, variant: str | None = None) -> list[str]:
    """The rationales on notes, and on labs, that a target has."""
    unordered = target.removeprefix(RATIONALE_FIRST)
    teacher = unordered.removeprefix(NOTE_ONLY).removeprefix("rationales-")
    parts = ["notes"] if unordered.startswith(NOTE_ONLY) else ["notes", "labs"] if target != "diagnoses" else []
    names = [(part, suffix(config, variant, part, target)) for part in parts]
    return [f"<results>/{dataset}/rationale/{teacher}{name}/{part}.parquet" for part, name in names]


def scores(config: Config, table: int) -> dict[str, str]:
    """The scores of every run of a table, of each training and of each model that is asked, with their rows in it."""
    runs = {
        f"{name}/seed{seed}": row_in(model, table)
        for name, model in config.models.items()
        if table in model.table
        for seed in config.seeds
    }
    runs |= {f"{name}/asked": row.row for name, row in config.asked.items() if table in row.table}
    return {_scores(dataset, run): row for dataset in config.dataset_names() for run, row in runs.items()}


def compared_scores(config: Config) -> list[tuple[str, str, str]]:
    """The scores of every run of a model with a variant, those of the same run without it, and the model's name."""
    runs = itertools.product(config.dataset_names(), config.variant_rows(), config.seeds)
    return [
        (_scores(d, f"{name}/seed{seed}"), _scores(d, f"{config.without_variant(name)}/seed{seed}"), name)
        for d, name, seed in runs
    ]


def _scores(dataset: str, run: str) -> str:
    return f"<results>/{dataset}/evaluate/{run}/scores.csv"


def classifier_scores(config: Config) -> list[str]:
    """The scores of every run of the baselines beyond the paper."""
    runs = [
        f"{name}/{run}"
        for name, row in config.classifiers.items()
        for run in ([f"seed{seed}" for seed in config.seeds] if row.learns else [UNTRAINED])
    ]
    return [_scores(dataset, run) for dataset in config.dataset_names() for run in runs]


def predictions(config: Config, dataset: str, model: str, run: str) -> str:
    """The predictions of a training, whose run is called `seed<n>`, of a model that is `asked`, or `untrained`."""
    if run == UNTRAINED:
        return f"<results>/{dataset}/benchmark/{config.classifiers[model].method}.parquet"
    if run == "asked":
        return f"<results>/{dataset}/asked/{model}/predictions.parquet"
    return f"<results>/{dataset}/evaluate/{model}/{run}/predictions.parquet"


def asked(config: Config) -> list[str]:
    """The predictions of every model that is asked, and the scores of those that name the diagnoses themselves."""
    files = []
    for dataset, (name, row) in itertools.product(config.dataset_names(), config.asked.items()):
        files.append(predictions(config, dataset, name, "asked"))
        if row.is_scored:
            files.append(_scores(dataset, f"{name}/asked"))
    return files


def prompts_of_asked(row: Asked) -> list[str]:
    """The prompts of the questions of a model that is asked, in their order."""
    if row.question.task == "diagnose":
        names = ["diagnosis"]
    else:
        names = ["note_rationale" if row.question.given_diagnoses else "diagnosis_rationale", "lab_rationale"]
    return [f"resources/prompts/{name}.txt" for name in names]


def taught(config: Config) -> list[tuple[str, str | None]]:
    """Every teacher with the variants for which its rationales are other ones, none first."""
    pairs = {(m.teacher, m.variant if _asked_again(config, m) else None) for m in config.models.values() if m.teacher}
    return sorted(pairs, key=lambda pair: (pair[0], pair[1] or ""))


def _asked_again(config: Config, model: Model) -> bool:
    return bool(suffix(config, model.variant, "labs", target(model)))


def rationales_in_use(config: Config) -> list[str]:
    """The rationales of every dataset, teacher and variant, each file once."""
    found = (
        path
        for dataset, (teacher, variant) in itertools.product(config.dataset_names(), taught(config))
        for path in rationales(config, dataset, f"rationales-{teacher}", variant)
    )
    return list(dict.fromkeys(found))


def samples_in_use(config: Config) -> list[str]:
    """The samples of every dataset, and those of the variants that change them."""
    pattern = "<results>/{dataset}/benchmark{variant}/samples.parquet"
    variants = [None, *(model.variant for model in config.models.values() if model.variant)]
    pairs = itertools.product(config.dataset_names(), variants)
    return list(dict.fromkeys(of_variant(config, pattern, variant, dataset=dataset) for dataset, variant in pairs))


def texts_of_teachers(config: Config) -> list[str]:
    """What teachers are shown, of every dataset and variant, each file once."""
    pairs = itertools.product(config.dataset_names(), [None, *(variant for _, variant in taught(config))])
    patterns = [
        f"<results>/{{dataset}}/benchmark{{variant}}/{table}.parquet" for table in ("samples", "courses", "captions")
    ]
    found = [of_variant(config, pattern, v, dataset=dataset) for dataset, v in pairs for pattern in patterns]
    labels = [f"<results>/{dataset}/benchmark/labels.parquet" for dataset in config.dataset_names()]
    return [*dict.fromkeys(found), *labels]


def asked_predictions(config: Config) -> list[str]:
    """The predictions of every model that is asked."""
    pairs = itertools.product(config.dataset_names(), config.asked)
    return [predictions(config, dataset, name, "asked") for dataset, name in pairs]


def answers(config: Config) -> list[tuple[str, Stage]]:
    """The tables of answers of language models behind the results, and what each of them holds.

    The stage of rationales that a variant changes is `note_rationale/<variant>` or `lab_rationale/<variant>`.
    """
    found = []
    if any(model.uses_knowledge for model in config.models.values()):
        stage = stage_of(config, "terms", None, config.knowledge.terms.llm)
        found.append(("<results>/knowledge/answers.parquet", stage))
    rationale_stages: dict[str, Stage] = {}
    for dataset, (teacher, variant) in itertools.product(config.dataset_names(), taught(config)):
        paths = rationales(config, dataset, f"rationales-{teacher}", variant)
        for path, kind in zip(paths, ("note_rationale", "lab_rationale"), strict=True):
            name = f"{kind}/{variant}" if variant and f"+{variant}/" in path else kind
            rationale_stages.setdefault(path, stage_of(config, name, dataset, teacher))
    found += rationale_stages.items()
    for dataset, (name, row) in itertools.product(config.dataset_names(), config.asked.items()):
        found.append((predictions(config, dataset, name, "asked"), stage_of(config, f"asked/{name}", dataset, row.llm)))
    return found


def stage_of(config: Config, stage: str, dataset: str | None, name: str) -> Stage:
    """What is asked of a language model about a dataset, at what price."""
    llm, transport = config.llms[name], config.llm_transport.get(name)
    price = transport.price if transport else None
    return Stage(stage=stage, dataset=dataset, llm=name, provider=llm.provider, model=llm.model, price=price)


def lengths(config: Config, backbone: str) -> Lengths:
    """Most tokens that a language model has before it in any of the models that are trained from it."""
    rows = [m for m in config.models.values() if m.backbone == backbone]
    each = [_lengths(config.of_variant(row.variant), backbone, row) for row in rows]
    each = each or [_lengths(config, backbone)]
    return Lengths(**{name: max(getattr(found, name) for found in each) for name in Lengths.model_fields})


def adapted_layers(config: Config, backbone: str) -> list[str]:
    """Layers of a language model at which some row gets adapters, so far as they are named; none for `all`."""
    rows = [m for m in config.models.values() if m.backbone == backbone and m.training == "lora"]
    chosen = [config.of_variant(row.variant).train.lora.modules for row in rows]
    return list(dict.fromkeys(name for modules in chosen if modules != "all" for name in modules))


def texts(config: Config, backbone: str, captions: bool = False) -> Texts:
    """The longest texts of a student, its note (with `captions`: both) no longer than its language model takes."""
    own, texts = config.backbones[backbone].max_note_tokens, config.student.texts
    most = (captions and config.student.max_note_and_captions_tokens) or texts.max_note_tokens
    return texts.model_copy(update={"max_note_tokens": min(own or most, most)})


def _lengths(config: Config, backbone: str, row: Model | None = None) -> Lengths:
    captions = row is not None and "captions" in row.reads
    longest, fusion = texts(config, backbone, captions), config.student.fusion
    all_patches = fusion.series_encoder.token == "all"
    per_channel = config.benchmark.series.max_steps // fusion.series_encoder.patch if all_patches else 1
    labs = config.benchmark.series.variables * per_channel
    if row is not None and row.series == "qformer":
        labs = fusion.qformer.queries
    return Lengths(
        labs=labs * (row is not None and "series" in row.reads),
        prompts=_soft_prompts(config.student.soft_prompt, row) if row is not None else 0,
        note=longest.max_note_tokens,
        target=max(longest.max_target_tokens, config.evaluate.decoding.max_new_tokens),
    )


def _soft_prompts(length: int, row: Model) -> int:
    """Vectors of all soft prompts of a model: before its texts, or before encoder and decoder."""
    texts = len({"note", "captions"} & set(row.reads))
    numbers = {"texts": texts * length, "reparametrised": 2 * length, "conditional": 2 * len(FEATURES)}
    return numbers.get(row.soft_prompts, 0)


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
