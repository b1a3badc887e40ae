"""Paths that the rules read under a configuration; Snakemake replaces `<results>`."""

import itertools
from collections.abc import Iterable
from pathlib import Path

from clinragen.config.asked import Asked
from clinragen.config.classifiers import Reader
from clinragen.config.llms import Stage
from clinragen.config.models import Model, Trained
from clinragen.config.root import Config
from clinragen.config.rows import name_of, row_in
from clinragen.config.student import Lengths, Parts, Texts
from clinragen.provenance.content import content_digest
from clinragen.registry.features import FEATURES
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.registry.raw import TITLES, raw_path
from clinragen.workflow.variants import NOTE_ONLY, RATIONALE_FIRST, kind_of, suffix

# Numbers of the paper's tables of diagnoses whose rows are compared with each other.
TABLES = (1, 2)
# Our tables that the paper's claims are checked against, in addition to the printed ones.
BEHIND_CLAIMS = (
    *("intervals", "comparisons", "texts", "parameters", "table3", "discussion"),
    *("judge", "study", "study_agreement"),
)
# Run name, in place of a seed, of a classifier that learns nothing.
UNTRAINED = "untrained"


def of_variant(config: Config, pattern: str, variant: str | None, **wildcards: str) -> str:
    """Return the path of a file for a variant: its own if the variant changes the file, else the shared one.

    `{variant}` in the pattern follows the name of the directory that carries the variant's name.
    """
    kind = kind_of(pattern)
    name = suffix(config, variant, kind, wildcards.get("target", ""), wildcards.get("parts")) if kind else ""
    return pattern.format(**wildcards, variant=name)


def reader(config: Config, name: str) -> Reader:
    """Return what a trained row of `classifiers` reads and the encoders that it reads it with."""
    row, series = config.classifiers[name], config.benchmark.series
    assert row.method != "majority" and row.method != "names"  # these learn nothing
    return Reader(
        method=row.method,
        series_encoder=config.student.fusion.series_encoder if row.method == "patchtst" else None,
        steps=series.max_steps if row.reads_series else None,
        lstm=row.lstm,
        pooling=row.pooling,
    )


def model_files(config: Config, pattern: str, model: str, **wildcards: str) -> str:
    """Return the path of a file as a model's variant has it; classifiers have no variants."""
    if model in config.classifiers:
        return of_variant(config, pattern, None, **wildcards, model=model)
    row = config.models[model]
    return of_variant(config, pattern, row.variant, **wildcards, model=model, target=target(row))


def raw_tables(config: Config, name: str, tables: Iterable[str]) -> list[str]:
    """Return the paths of raw tables of a dataset: in the user's copy, or as rules generate them."""
    dataset = getattr(config.datasets, name)
    # The preflight refuses a run without a directory; commands that run no job, such as --unlock, get this far.
    unset = f"datasets.{name}.raw-is-not-set"
    paths: list[str] = []
    for table in tables:
        notes = table == "noteevents"
        if notes and dataset.synthetic_notes:
            paths.append(str(raw_path(name, f"<results>/{name}/demo", table)))
        elif dataset.source == "synthetic":
            paths.append(str(raw_path(name, f"<results>/{name}/raw", table)))
        else:
            directory = dataset.notes if notes and dataset.notes else dataset.raw
            paths.append(str(raw_path(name, directory or unset, table)))
    return paths


def source_digest(config: Config, paths: Iterable[str]) -> str:
    """Return a content hash of the inputs of a job that no rule makes.

    The tables of the open demos are left out: a rule may have downloaded them.
    """
    datasets = (getattr(config.datasets, name) for name in config.dataset_names())
    demos = [d.raw for d in datasets if d.source == "open-demo" and d.raw is not None]
    generated = [config.pathvars.results, *demos]
    return content_digest(path for path in paths if not any(Path(path).is_relative_to(top) for top in generated))


def checkpoint(config: Config, dataset: str, model: str, seed: str) -> str:
    """Return the last checkpoint of a model; models that agree up to a phase share its checkpoint."""
    row = config.models[model]
    return stage_checkpoint(config, row, dataset, seed, row.stages[-1])


def checkpoints(config: Config) -> dict[str, list[str]]:
    """Return the rows that each checkpoint of all phases of all runs is part of, by dataset, model, seed and phase."""
    rows: dict[str, list[str]] = {}
    for dataset, row, seed in itertools.product(config.dataset_names(), config.models.values(), config.seeds):
        for stage in row.stages:
            rows.setdefault(stage_checkpoint(config, row, dataset, seed, stage), []).append(name_of(row))
    others = itertools.product(config.dataset_names(), config.trained_classifiers(), config.seeds)
    return rows | {classifier(dataset, name, seed): [config.classifiers[name].row] for dataset, name, seed in others}


def classifier(dataset: str, name: str, seed: object) -> str:
    """Return the checkpoint of a trained row of `classifiers`."""
    return f"<results>/{dataset}/train/{name}/phenotypes/seed{seed}/classifier"


def tokens_in_use(config: Config) -> list[str]:
    """Return the token files of all notes and targets that models read or learn to write, each once."""
    stem = "<results>/{dataset}/train/{backbone}"
    paths: list[str] = []
    for dataset, row in itertools.product(config.dataset_names(), config.models.values()):
        own = {"dataset": dataset, "backbone": row.backbone, "target": target(row)}
        patterns = [f"{stem}{{variant}}/note_tokens.arrow", f"{stem}/{{target}}{{variant}}/target_tokens.arrow"]
        patterns += [f"{stem}/{{target}}{{variant}}/lab_target_tokens.arrow"] * ("phase2" in row.stages)
        paths += [of_variant(config, pattern, row.variant, **own) for pattern in patterns]
    return list(dict.fromkeys(paths))


def trained(config: Config) -> list[tuple[str, Trained]]:
    """Return the last checkpoint and a description of every model on every dataset, for the first seed.

    Sorted by name, because overlays may change the order of the models.
    """
    return [
        (
            checkpoint(config, dataset, name, str(config.seeds[0])),
            Trained(dataset=TITLES[dataset], name=name, row=name_of(row), backbone=row.backbone),
        )
        for dataset, (name, row) in itertools.product(config.dataset_names(), sorted(config.models.items()))
    ]


def stage_checkpoint(config: Config, row: Model, dataset: str, seed: object, stage: str) -> str:
    """Return the checkpoint of one of the training stages of a model."""
    parts = None if stage.startswith("phase") else row.parts_name
    own = {"phase1": "", "phase2": f"-{row.vocabulary}", "phase3": f"-{row.vocabulary}"}.get(stage, f"-{parts}")
    variant = suffix(config, row.variant, stage, target(row), parts)
    return f"<results>/{dataset}/train/{row.backbone}/{target(row)}{own}{variant}/seed{seed}/{stage}"


def vocabulary(name: str, backbone: str) -> str:
    """Return the path of a vocabulary: V^k, the part of one source, or all tokens."""
    return f"<results>/knowledge/{'vocab' if name == 'knowledge' else name}/{backbone}.json"


def base(config: Config, model: str) -> list[str]:
    """Return the language model that a checkpoint of adapters needs; nothing for complete checkpoints."""
    row = config.models[model]
    return [f"<results>/backbones/{row.backbone}"] * (row.training == "lora")


def parts_names(config: Config) -> list[str]:
    """Return what the models with a separate training stage read, as paths name it."""
    return sorted({row.parts_name for row in config.models.values() if row.stages[-1] in ("joint", "lora", "frozen")})


def parts(config: Config, name: str) -> Parts:
    """Return the inputs and prefixes of the models whose paths have this parts name, with their settings."""
    parts = next(row.parts for row in config.models.values() if row.parts_name == name)
    settings: dict[str, object] = {}
    if parts.series:
        settings |= {"fusion": config.student.fusion, "steps": config.benchmark.series.max_steps}
    if parts.soft_prompts:
        settings["soft_prompt"] = config.student.soft_prompt
    return parts.model_copy(update=settings)


def target(row: Model) -> str:
    """Return the training target of a model and its teacher, as paths name them."""
    if not row.teacher:
        return "diagnoses"
    order = RATIONALE_FIRST * (row.target_order == "rationale_first")
    return f"{order}{NOTE_ONLY * (row.target == 'note_rationale')}rationales-{row.teacher}"


def targets(config: Config) -> list[str]:
    """Return the training targets of all models, as paths name them."""
    return sorted({target(row) for row in config.models.values()})


def rationale_first(target: str) -> bool:
    """Return whether the diagnoses are the last section of a target, given its name in paths."""
    return target.startswith(RATIONALE_FIRST)


def rationales(config: Config, dataset: str, target: str, variant: str | None = None) -> list[str]:
    """Return the note and lab rationales that a target contains."""
    unordered = target.removeprefix(RATIONALE_FIRST)
    teacher = unordered.removeprefix(NOTE_ONLY).removeprefix("rationales-")
    parts = ["notes"] if unordered.startswith(NOTE_ONLY) else ["notes", "labs"] if target != "diagnoses" else []
    names = [(part, suffix(config, variant, part, target)) for part in parts]
    return [f"<results>/{dataset}/rationale/{teacher}{name}/{part}.parquet" for part, name in names]


def scores(config: Config, table: int) -> dict[str, str]:
    """Return the row of a table by the scores of each of its runs, trained or asked."""
    runs = {
        f"{name}/seed{seed}": row_in(model, table)
        for name, model in config.models.items()
        if table in model.table
        for seed in config.seeds
    }
    runs |= {f"{name}/asked": row.row for name, row in config.asked.items() if table in row.table}
    return {_scores(dataset, run): row for dataset in config.dataset_names() for run, row in runs.items()}


def compared_scores(config: Config) -> list[tuple[str, str, str]]:
    """Return, for every run of a model with a variant, its scores, those without the variant, and the model's name."""
    runs = itertools.product(config.dataset_names(), config.variant_rows(), config.seeds)
    return [
        (_scores(d, f"{name}/seed{seed}"), _scores(d, f"{config.without_variant(name)}/seed{seed}"), name)
        for d, name, seed in runs
    ]


def _scores(dataset: str, run: str) -> str:
    return f"<results>/{dataset}/evaluate/{run}/scores.csv"


def classifier_scores(config: Config) -> list[str]:
    """Return the scores of every run of the baselines beyond the paper."""
    runs = [
        f"{name}/{run}"
        for name, row in config.classifiers.items()
        for run in ([f"seed{seed}" for seed in config.seeds] if row.learns else [UNTRAINED])
    ]
    return [_scores(dataset, run) for dataset in config.dataset_names() for run in runs]


def predictions(config: Config, dataset: str, model: str, run: str) -> str:
    """Return the predictions of a run: `seed<n>` of a training, `asked`, or `untrained`."""
    if run == UNTRAINED:
        return f"<results>/{dataset}/benchmark/{config.classifiers[model].method}.parquet"
    if run == "asked":
        return f"<results>/{dataset}/asked/{model}/predictions.parquet"
    return f"<results>/{dataset}/evaluate/{model}/{run}/predictions.parquet"


def asked(config: Config) -> list[str]:
    """Return the predictions of every asked model, and the scores of those that name the diagnoses themselves."""
    files = []
    for dataset, (name, row) in itertools.product(config.dataset_names(), config.asked.items()):
        files.append(predictions(config, dataset, name, "asked"))
        if row.is_scored:
            files.append(_scores(dataset, f"{name}/asked"))
    return files


def prompts_of_asked(row: Asked) -> list[str]:
    """Return the prompts of an asked model, in the order of its questions."""
    if row.question.task == "diagnose":
        names = ["diagnosis"]
    else:
        names = ["note_rationale" if row.question.given_diagnoses else "diagnosis_rationale", "lab_rationale"]
    return [f"resources/prompts/{name}.txt" for name in names]


def taught(config: Config) -> list[tuple[str, str | None]]:
    """Return pairs of a teacher and a variant that changes its rationales (None: no variant, first)."""
    pairs = {(m.teacher, m.variant if _asked_again(config, m) else None) for m in config.models.values() if m.teacher}
    return sorted(pairs, key=lambda pair: (pair[0], pair[1] or ""))


def _asked_again(config: Config, model: Model) -> bool:
    return bool(suffix(config, model.variant, "labs", target(model)))


def rationales_in_use(config: Config) -> list[str]:
    """Return the rationales of every dataset, teacher and variant, each file once."""
    paths = (
        path
        for dataset, (teacher, variant) in itertools.product(config.dataset_names(), taught(config))
        for path in rationales(config, dataset, f"rationales-{teacher}", variant)
    )
    return list(dict.fromkeys(paths))


def samples_in_use(config: Config) -> list[str]:
    """Return the samples of every dataset, and those of the variants that change them."""
    pattern = "<results>/{dataset}/benchmark{variant}/samples.parquet"
    variants = [None, *(model.variant for model in config.models.values() if model.variant)]
    pairs = itertools.product(config.dataset_names(), variants)
    return list(dict.fromkeys(of_variant(config, pattern, variant, dataset=dataset) for dataset, variant in pairs))


def texts_of_teachers(config: Config) -> list[str]:
    """Return the files whose content teachers see, for every dataset and variant, each once."""
    pairs = itertools.product(config.dataset_names(), [None, *(variant for _, variant in taught(config))])
    patterns = [
        f"<results>/{{dataset}}/benchmark{{variant}}/{table}.parquet" for table in ("samples", "courses", "captions")
    ]
    paths = [of_variant(config, pattern, v, dataset=dataset) for dataset, v in pairs for pattern in patterns]
    labels = [f"<results>/{dataset}/benchmark/labels.parquet" for dataset in config.dataset_names()]
    return [*dict.fromkeys(paths), *labels]


def asked_predictions(config: Config) -> list[str]:
    """Return the predictions of every asked model."""
    pairs = itertools.product(config.dataset_names(), config.asked)
    return [predictions(config, dataset, name, "asked") for dataset, name in pairs]


def answers(config: Config) -> list[tuple[str, Stage]]:
    """Return the path and the content of every table of LLM answers except those of judges.

    The stage of rationales that a variant changes is `note_rationale/<variant>` or `lab_rationale/<variant>`.
    """
    tables: list[tuple[str, Stage]] = []
    if any(model.uses_knowledge for model in config.models.values()):
        stage = stage_of(config, "terms", None, config.knowledge.terms.llm)
        tables.append(("<results>/knowledge/answers.parquet", stage))
    rationale_stages: dict[str, Stage] = {}
    for dataset, (teacher, variant) in itertools.product(config.dataset_names(), taught(config)):
        paths = rationales(config, dataset, f"rationales-{teacher}", variant)
        for path, kind in zip(paths, ("note_rationale", "lab_rationale"), strict=True):
            name = f"{kind}/{variant}" if variant and f"+{variant}/" in path else kind
            rationale_stages.setdefault(path, stage_of(config, name, dataset, teacher))
    tables += rationale_stages.items()
    for dataset, (name, row) in itertools.product(config.dataset_names(), config.asked.items()):
        stage = stage_of(config, f"asked/{name}", dataset, row.llm)
        tables.append((predictions(config, dataset, name, "asked"), stage))
    return tables


def stage_of(config: Config, stage: str, dataset: str | None, name: str) -> Stage:
    """Return the description of a table of answers: stage, dataset, language model and price."""
    llm, transport = config.llms[name], config.llm_transport.get(name)
    price = transport.price if transport else None
    return Stage(stage=stage, dataset=dataset, llm=name, provider=llm.provider, model=llm.model, price=price)


def lengths(config: Config, backbone: str) -> Lengths:
    """Return the longest inputs and targets, in tokens, of all models that are trained from a language model."""
    rows = [m for m in config.models.values() if m.backbone == backbone]
    each = [_lengths(config.of_variant(row.variant), backbone, row) for row in rows]
    each = each or [_lengths(config, backbone)]
    return Lengths(**{name: max(getattr(lengths, name) for lengths in each) for name in Lengths.model_fields})


def adapted_layers(config: Config, backbone: str) -> list[str]:
    """Return the names of the layers of a language model that get adapters in some row; none for `all`."""
    rows = [m for m in config.models.values() if m.backbone == backbone and m.training == "lora"]
    layers = [config.of_variant(row.variant).train.lora.modules for row in rows]
    return list(dict.fromkeys(name for names in layers if names != "all" for name in names))


def texts(config: Config, backbone: str, captions: bool = False) -> Texts:
    """Return the maximum text lengths of a student, its note (with `captions`: both) limited by its language model."""
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
    """Return the number of soft-prompt vectors of a model: before its texts, or before encoder and decoder."""
    texts = len({"note", "captions"} & set(row.reads))
    numbers = {"texts": texts * length, "reparametrised": 2 * length, "conditional": 2 * len(FEATURES)}
    return numbers[row.soft_prompts] if row.soft_prompts else 0


def backbone_files(source: str) -> list[str]:
    """Return the files of a language model that is a directory; none if it comes from the hub."""
    directory = Path(source)
    return sorted(str(path) for path in directory.glob("*") if path.is_file()) if directory.is_dir() else []


def authored_texts(source: str) -> list[str]:
    """Return the offline texts that replace PubMed or Wikipedia, one per phenotype."""
    names = read_phenotypes(Path("resources/phenotypes.csv"))
    return [f"resources/knowledge/{source}/{slug(name)}.md" for name in names]


def data_summaries() -> list[str]:
    """Return the data summaries of a dataset, relative to its results directory."""
    tables = ("attrition", "prevalence", "unlabelled_codes", "headings", "leakage", "fences", "scales")
    return ["extract/inventory.csv", *(f"benchmark/{table}.csv" for table in tables), "benchmark/card.html"]
