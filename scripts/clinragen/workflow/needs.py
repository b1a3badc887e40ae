"""External requirements of each target of the workflow."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from clinragen.config.asked import Asked
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.workflow import judged
from clinragen.workflow.discussion import keys_of_discussion
from clinragen.workflow.paper import CLINRAGEN, LLAMA
from clinragen.workflow.shown import diagnosed, scored

RAW = "raw"  # the raw tables of a dataset, except its notes
NOTES = "notes"  # the discharge notes of a dataset
RATIONALES = "rationales"  # the teachers, for texts of a dataset
ASKED = "asked"  # the language model of a row of `asked`, for texts of a dataset: <dataset>/<row>
JUDGE = "judge"  # a language model that rates rationales of a dataset: <dataset>/<llm>
TERMS = "terms"  # a language model, for public documents
PUBMED = "pubmed"  # an e-mail address for NCBI and Wikimedia
BACKBONE = "backbone"  # a language model, from the hub or a directory
ENCODER = "encoder"  # a text encoder, from the hub or a directory
WEIGHTS = "weights"  # a language model that jobs serve themselves
GPU = "gpu"  # GPUs for training and prediction
RESPONSES = "responses"  # the files of the raters of the human study

DATA = frozenset({RAW, NOTES})
TEACHER = frozenset({RATIONALES, TERMS})
KNOWLEDGE = frozenset({PUBMED, TERMS})
ANSWERS = DATA | TEACHER | {PUBMED}
CLASSIFIERS = DATA | {ENCODER, GPU}
TRAINING = DATA | TEACHER | {PUBMED, BACKBONE, ENCODER, GPU}

# The named targets. Needs that no configured model has are dropped (see `_unused`).
TARGETS: dict[str, frozenset[str]] = {
    "all": TRAINING | {ASKED, RESPONSES},
    "tables": TRAINING | {ASKED, RESPONSES},
    "figures": TRAINING | {ASKED, RESPONSES},
    "asked": DATA | {ASKED},
    "planted": TRAINING,
    "evaluate_statistics": TRAINING | {ASKED},
    "evaluate_discussion": TRAINING | {ASKED},
    "evaluate_claims": TRAINING | {ASKED, RESPONSES},
    "evaluate_training": TRAINING,
    "evaluate_tokens": DATA | {BACKBONE, RATIONALES},
    "evaluate_parameters": TRAINING,
    "evaluate_text_table": TRAINING | {ASKED},
    "evaluate_costs": ANSWERS | {ASKED},
    "evaluate_table3": TRAINING | {ASKED},
    "evaluate_table4": TRAINING | {ASKED},
    "evaluate_table5": DATA,
    "evaluate_figure5": TRAINING | {ASKED},
    "evaluate_figures": TRAINING | {ASKED, RESPONSES},
    "evaluate_judge_scores": DATA,
    "study": TRAINING | {ASKED, RESPONSES},
    "evaluate_study_forms": TRAINING | {ASKED},
    "evaluate_study_scores": TRAINING | {ASKED, RESPONSES},
    "estimate": DATA | {PUBMED},
    "evaluate_rationales": DATA | {RATIONALES, ASKED},
    "audit": TRAINING | {ASKED, RESPONSES},
    "audit_lineage": TRAINING | {ASKED, RESPONSES},
    "site": TRAINING | {ASKED, RESPONSES},
    "site_index": TRAINING | {ASKED, RESPONSES},
    "leakage": DATA,
    "export_benchmark": frozenset({RAW}),
    "knowledge": KNOWLEDGE | {BACKBONE},
    "knowledge_sources": KNOWLEDGE | {BACKBONE},
    "knowledge_page": KNOWLEDGE | {BACKBONE},
    "knowledge_terms": KNOWLEDGE,
    "knowledge_convergence": KNOWLEDGE,
    "backbones": frozenset({BACKBONE, ENCODER}),
    "weights": frozenset({WEIGHTS}),
}

# Which rows of `models` and `asked` a file shows, by a named group of its pattern in FILES; such a file shows no
# classifiers.
SHOWN: dict[str, Callable[[str, Model | Asked], bool]] = {
    "scored": lambda name, row: scored(row),
    "timed": lambda name, row: isinstance(row, Asked) or name in (CLINRAGEN, LLAMA),
    "sized": lambda name, row: isinstance(row, Model) or diagnosed(row),
    "compared": lambda name, row: row.is_compared,
    "judge": lambda name, row: isinstance(row, Model) or judged.TABLE in row.table,
    "cased": lambda name, row: name == CLINRAGEN,
}
# The same of named targets.
SHOWN_BY_TARGET = {
    "evaluate_statistics": "scored",
    "evaluate_discussion": "discussed",
    "evaluate_table3": "timed",
    "evaluate_table4": "compared",
    "evaluate_text_table": "compared",
    "evaluate_figure5": "sized",
    "evaluate_figures": "sized",
}

OF_EVERYTHING = ("all", "tables", "audit", "audit_lineage", "site", "site_index", "backbones", "evaluate_claims")
"""Targets that include the encoder of BERTScore."""

# Targets that read the ratings of the judges, whose needs they inherit.
READ_RATINGS = re.compile(
    r"all|tables|figures|audit(_lineage)?|site(_index)?|evaluate_(costs|table3|judge_scores|claims|figures)|"
    r"tables/(costs|table3|judge|claims|contradictions).*|figures/(figure6a|figures).*|audit/.+|index\.html"
)
READ_RATINGS_OF_STUDY = re.compile(r"study|evaluate_study_scores|study/ratings.*|tables/study.*|figures/figure6b.*")
"""Targets that read the ratings of the judges that people are compared with."""

# Files below the results directory; the first pattern that matches counts.
DATASET = r"(?P<dataset>mimic3|mimic4)"
VARIANT = r"(\+[^/]+)?"
WITHOUT_NOTES = "split|attrition_split|labels|prevalence|unlabelled_codes|series_[a-z]+|scales|captions|fences"
FILES: list[tuple[str, frozenset[str]]] = [
    (rf"{DATASET}/extract/(attrition_)?(notes|inventory)\..+", DATA),
    (rf"{DATASET}/(extract|export|demo)/.+", frozenset({RAW})),
    (rf"{DATASET}/benchmark{VARIANT}/({WITHOUT_NOTES})\..+", frozenset({RAW})),
    (rf"{DATASET}/benchmark{VARIANT}/.+", DATA),
    (rf"{DATASET}/rationale/.+", DATA | {RATIONALES}),
    (rf"{DATASET}/train/(?P<backbone>[^/+]+){VARIANT}/(note|caption)_tokens\.arrow", DATA | {BACKBONE}),
    (rf"{DATASET}/train/(?P<encoder>[^/]+)/encoder_tokens\.arrow", DATA | {ENCODER}),
    (rf"{DATASET}/train/(?P<classifier>[^/]+)/phenotypes/.+", CLASSIFIERS),
    (
        rf"{DATASET}/train/(?P<backbone>[^/]+)/(first-)?(note-)?rationales[^/]+/(lab_)?target_tokens\.arrow",
        DATA | {BACKBONE, RATIONALES},
    ),
    (rf"{DATASET}/train/(?P<backbone>[^/]+)/diagnoses[^/]*/(lab_)?target_tokens\.arrow", DATA | {BACKBONE}),
    (rf"{DATASET}/train/(?P<backbone>[^/]+)/(first-)?(note-)?rationales-[^/+]+-knowledge{VARIANT}/.+", TRAINING),
    (rf"{DATASET}/train/(?P<backbone>[^/]+)/(first-)?(note-)?rationales.+", TRAINING - {TERMS, PUBMED}),
    (rf"{DATASET}/train/(?P<backbone>[^/]+)/diagnoses-knowledge{VARIANT}/.+", TRAINING - {RATIONALES}),
    (rf"{DATASET}/train/(?P<backbone>[^/]+)/diagnoses.+", TRAINING - TEACHER - {PUBMED}),
    (rf"{DATASET}/asked/(?P<asked>[^/]+)/.+", DATA | {ASKED}),
    (rf"{DATASET}/evaluate/(?P<asked>[^/]+)/asked/.+", DATA | {ASKED}),
    (rf"{DATASET}/evaluate/cases\..+", DATA),
    (rf"{DATASET}/evaluate/(?P<compared>bertscores|texts|findings)\..+", TRAINING | {ASKED}),
    (rf"{DATASET}/evaluate/judge/(?P<judge>[^/]+)/.+", TRAINING | {ASKED, JUDGE}),
    (rf"{DATASET}/evaluate/[^/]+/untrained/.+", DATA),
    (rf"{DATASET}/(evaluate|planted)/(?P<model>[^/]+)/.+", TRAINING),
    (r"knowledge/(attrition_)?(pubmed|wikipedia)\..+", frozenset({PUBMED})),
    (r"knowledge/(terms|mentions|answers|convergence)\..+", KNOWLEDGE),
    (r"knowledge/(sources|knowledge)\..+", KNOWLEDGE | {BACKBONE}),
    (r"knowledge/vocab/(?P<backbone>[^/]+)\.(json|csv)", KNOWLEDGE | {BACKBONE}),
    (r"knowledge/standard/(?P<backbone>[^/]+)\.json", frozenset({BACKBONE})),
    (r"backbones/(?P<backbone>[^/]+)", frozenset({BACKBONE})),
    (r"encoders/(?P<encoder>[^/]+)", frozenset({ENCODER})),
    (r"llms/(?P<llm>[^/]+)", frozenset({WEIGHTS})),
    (r"tables/(?P<timed>table3)\..+", TRAINING | {ASKED}),
    (r"tables/table5\..+", DATA),
    (r"tables/(?P<scored>table6)\..+", TRAINING | {ASKED}),
    (r"figures/(?P<sized>figure5)\..+", TRAINING | {ASKED}),
    (r"figures/(?P<sized>figures)\..+", TRAINING | {ASKED, RESPONSES}),
    (rf"figures/(?P<cased>figure7)-{DATASET}\.html", TRAINING),
    (rf"{DATASET}/evaluate/(?P<cased>figure7)\.html", TRAINING),
    (r"tables/(?P<scored>table[12]|intervals|comparisons|phenotype_scores|statistics)\..+", TRAINING | {ASKED}),
    (r"tables/(?P<discussed>discussion)\..+", TRAINING | {ASKED}),
    (r"tables/(?P<claimed>claims|contradictions)\..+", TRAINING | {ASKED, RESPONSES}),
    (r"tables/(?P<compared>texts|table4)\..+", TRAINING | {ASKED}),
    (r"tables/beyond\..+", CLASSIFIERS),
    (r"tables/rationales\..+", DATA | {RATIONALES, ASKED}),
    (r"tables/tokens\..+", DATA | {BACKBONE, RATIONALES}),
    (r"tables/costs\..+", ANSWERS | {ASKED}),
    (r"(tables/judge|figures/figure6a).*", DATA),
    (r"tables/(training|parameters|planted.*|sensitivity)\..+", TRAINING),
    (r"(study/ratings|tables/study|figures/figure6b).+", TRAINING | {ASKED, RESPONSES}),
    (r"study/.+", TRAINING | {ASKED}),
    (rf"site/(?P<cased>example)-{DATASET}\.json", TRAINING),
    (r"(?P<audit>audit)/.+|(?P<site>index)\.html", TRAINING | {ASKED, RESPONSES}),
]


class Need(NamedTuple):
    """One requirement: its kind, and the dataset, model or row that it concerns (empty if none)."""

    kind: str
    name: str = ""


def needs_of(targets: Iterable[str], config: Config) -> set[Need]:
    """Return what the targets need; nothing for an unknown target, which Snakemake reports itself."""
    every = [_below(str(target), config.pathvars.results) for target in targets]
    if any(map(READ_RATINGS.fullmatch, every)):
        every += [path.removeprefix("<results>/") for path in judged.ratings(config)]
    if any(map(READ_RATINGS_OF_STUDY.fullmatch, every)):
        every += [path.removeprefix("<results>/") for path in judged.ratings_of_study(config)]
    return {need for target in every for need in _needs_of(target, config)}


def _needs_of(target: str, config: Config) -> set[Need]:
    kinds, parts = TARGETS.get(target, frozenset()), {}
    if target in SHOWN_BY_TARGET:
        parts = {SHOWN_BY_TARGET[target]: target}
    if target not in TARGETS:
        matches = ((re.fullmatch(pattern, target), kinds) for pattern, kinds in FILES)
        match, kinds = next(((m, kinds) for m, kinds in matches if m), (None, kinds))
        parts = match.groupdict() if match else {}
    discussed = keys_of_discussion(config) if "discussed" in parts else {*config.models, *config.asked}
    models = [
        model
        for name, model in config.models.items()
        if parts.get("model", name) == name and _shows(parts, name, model) and name in discussed
    ]
    if "judge" in parts:
        models = [row for row in [judged.student(config)] if row]
        kinds -= frozenset() if judged.rates_student(config) else TRAINING - DATA - {RATIONALES}
    if TERMS in kinds and GPU not in kinds:  # stage knowledge alone
        models = [model for model in models if model.uses_knowledge]
    backbones = {model.backbone for model in models}
    if "backbone" in parts:  # the path itself names what a checkpoint needs
        backbones = {parts["backbone"]}
    elif kinds >= ANSWERS or "judge" in parts:
        kinds -= _unused(models)
    if TERMS in kinds and "pubmed" not in config.knowledge.terms.sources:
        kinds -= {PUBMED}
    if config.study is None or config.study.responses is None:
        kinds -= {RESPONSES}
    datasets = [name for name in config.dataset_names() if parts.get("dataset", name) == name]
    rows = [
        name
        for name, row in config.asked.items()
        if parts.get("asked", name) == name and _shows(parts, name, row) and name in discussed
    ]
    encoders = _of_models(models, kinds, parts, target) | _of_classifiers(config, parts)
    encoders |= _of_bertscore(config, parts, target)
    if "encoder" in parts:
        encoders = {parts["encoder"]}
    served = _served(kinds, config, parts, rows)
    kinds |= {WEIGHTS} if served else frozenset()
    names = {RAW: datasets, NOTES: datasets, RATIONALES: datasets, BACKBONE: sorted(backbones), WEIGHTS: served}
    names[ENCODER] = sorted(encoders)
    names[ASKED] = [f"{dataset}/{row}" for dataset in datasets for row in rows]
    names[JUDGE] = [f"{dataset}/{parts['judge']}" for dataset in datasets] if "judge" in parts else []
    return {Need(kind, name) for kind in kinds for name in names.get(kind, [""])}


def _shows(parts: dict[str, str], name: str, row: Model | Asked) -> bool:
    """Return whether the file with these parts in its path shows a row, according to SHOWN."""
    return all(SHOWN[group](name, row) for group in parts.keys() & SHOWN.keys())


def _of_models(models: list[Model], kinds: frozenset[str], parts: dict[str, str], target: str) -> set[str]:
    """Return the text encoders of models; the path of a checkpoint shows by its parts whether it has one."""
    read = (m for m in models if "backbone" not in parts or f"-{m.parts_name}" in target)
    return {m.encoder for m in read if m.encoder} if BACKBONE in kinds else set()


def _of_classifiers(config: Config, parts: dict[str, str]) -> set[str]:
    """Return the text encoders of the rows of `classifiers`, which are in no table of the paper."""
    named = parts.get("model", parts.get("classifier"))
    rows = {} if {"backbone", "discussed", *SHOWN} & parts.keys() else config.classifiers
    return {row.encoder for name, row in rows.items() if row.encoder and named in (None, name)}


def _of_bertscore(config: Config, parts: dict[str, str], target: str) -> set[str]:
    """Return the text encoder of BERTScore, for the files that show it and the targets that include them."""
    used = bool({"compared", "claimed", "audit", "site"} & parts.keys()) or target in OF_EVERYTHING
    settings = config.evaluate.bertscore
    return {settings.encoder} if used and settings and config.compared_models() else set()


def _served(kinds: frozenset[str], config: Config, parts: dict[str, str], rows: list[str]) -> list[str]:
    """Return the language models that the jobs serve themselves: those asked, or whose weights are fetched."""
    asked = [parts["llm"]] if "llm" in parts else config.served_llms() if WEIGHTS in kinds else []
    asked += config.teachers() if RATIONALES in kinds else []
    asked += [config.knowledge.terms.llm] if TERMS in kinds else []
    asked += [config.asked[row].llm for row in rows] if ASKED in kinds else []
    asked += [parts["judge"]] if "judge" in parts else []
    return sorted({name for name in asked if config.is_served(name)})


def _unused(models: list[Model]) -> frozenset[str]:
    """Return the kinds of needs that none of the models has."""
    rationales = any(model.teacher for model in models)
    knowledge = any(model.uses_knowledge for model in models)
    return frozenset({RATIONALES} if not rationales else ()) | (KNOWLEDGE if not knowledge else frozenset())


def _below(target: str, results: str) -> str:
    """Return the path of a target below the results directory, or the target itself if it is elsewhere."""
    path = Path(target)
    return path.relative_to(results).as_posix() if path.is_relative_to(results) else target
