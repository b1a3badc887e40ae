"""The complete config.yaml, validated when the workflow starts."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from clinragen.config.agreement import problems_of
from clinragen.config.asked import Asked
from clinragen.config.base import Section, UsablePath, usable_path
from clinragen.config.benchmark import Benchmark
from clinragen.config.classifiers import Classifier
from clinragen.config.datasets import Datasets, DemoCohort
from clinragen.config.evaluate import Evaluate
from clinragen.config.explain import explain
from clinragen.config.extract import Extract
from clinragen.config.knowledge import Knowledge
from clinragen.config.llms import Llm, Transport
from clinragen.config.models import Model, with_values_of_others
from clinragen.config.rationale import Rationale
from clinragen.config.request import Request
from clinragen.config.student import Backbone, Student, TextEncoder
from clinragen.config.study import Study
from clinragen.config.train import Launch, Train
from clinragen.config.variants import Settings, Variant
from clinragen.errors import UserError


class Pathvars(Section):
    """The directories that Snakemake substitutes for <results>, <logs> and <timings>."""

    results: str
    """All outputs."""
    logs: str
    """One log per job."""
    timings: str
    """Time and memory of every job."""

    @field_validator("results", "logs", "timings")
    @classmethod
    def _usable_path(cls, text: str) -> str:
        if usable_path(text) != text:  # Snakemake has already read this key
            raise ValueError(f"Snakemake does not expand ~; set it to {usable_path(text)!r}")
        return text


class Config(Section):
    """All settings."""

    pathvars: Pathvars
    """Directories of results, logs and timings (a key of Snakemake): one tree per overlay."""
    answers: UsablePath
    """Directory of the stored responses of services, shared by all overlays; a copy of it makes a run repeatable."""
    datasets: Datasets
    """Raw data."""
    demo: DemoCohort
    """Synthetic cohort."""
    extract: Extract
    """Stage extract."""
    benchmark: Benchmark
    """Stage benchmark."""
    knowledge: Knowledge
    """Stage knowledge."""
    rationale: Rationale
    """Stage rationale."""
    llms: dict[str, Llm]
    """Language models that are asked, by name."""
    llm_transport: dict[str, Transport]
    """How each of them is reached; those with provider `template` need no row."""
    backbones: dict[str, Backbone]
    """Small language models by name."""
    encoders: dict[str, TextEncoder]
    """Text encoders by name; fetched only if `models`, `classifiers` or `evaluate.bertscore` name them."""
    student: Student
    """Student model."""
    train: Train
    """Stage train."""
    variants: dict[str, Variant]
    """Named overrides of settings, for rows of `models`."""
    models: dict[str, Model]
    """Rows of the paper's tables that are trained; null omits one."""
    asked: dict[str, Asked]
    """Rows of the paper's tables whose model is asked, not trained; null omits one."""
    classifiers: dict[str, Classifier]
    """Baselines beyond the paper, which write no text; null omits one."""
    seeds: list[int] = Field(min_length=1)
    """Seeds of the training runs; tables give mean and standard deviation over them."""
    evaluate: Evaluate
    """Stage evaluate."""
    _of_variant: dict[str, "Config"] = PrivateAttr(default_factory=dict)
    _changed: dict[tuple[str, str], bool] = PrivateAttr(default_factory=dict)

    @field_validator(
        *("variants", "models", "asked", "classifiers", "backbones", "encoders", "llms", "llm_transport"), mode="before"
    )
    @classmethod
    def _without_nulls(cls, rows: Any) -> Any:
        """Remove the rows that an overlay sets to null."""
        return {k: v for k, v in rows.items() if v is not None} if isinstance(rows, dict) else rows

    @field_validator("models", mode="before")
    @classmethod
    def _complete(cls, rows: Any) -> Any:
        return with_values_of_others(rows) if isinstance(rows, dict) else rows

    @field_validator("variants", "models", "asked", "classifiers", "backbones", "encoders", "llms")
    @classmethod
    def _with_usable_names(cls, rows: dict[str, Any]) -> dict[str, Any]:
        for name in rows:
            if "/" in name or name in ("", ".", ".."):
                raise ValueError(f"the name {name!r} cannot be part of a path; rename it")
            if "+" in name:
                raise ValueError(f"the name {name!r} contains '+', which precedes a variant in paths; rename it")
            usable_path(name)
        return rows

    @model_validator(mode="after")
    def _agrees(self) -> "Config":
        if problems := list(problems_of(self)):
            raise ValueError("\n".join(problems))
        return self

    def without_variant(self, name: str) -> str | None:
        """Return the name of the first model with the same recipe and no variant."""
        recipe = self.models[name].recipe
        return next((n for n, m in self.models.items() if m.variant is None and m.recipe == recipe), None)

    def variant_rows(self) -> list[str]:
        """Return the names of the models with a variant."""
        return [name for name, model in self.models.items() if model.variant is not None]

    @property
    def overridable(self) -> Settings:
        """The sections that variants may override."""
        return Settings.model_construct(student=self.student, train=self.train, benchmark=self.benchmark)

    def launch_of(self, backbone: str) -> Launch:
        """Return how trainings of a language model are started."""
        return self.train.launch.with_values_of(self.backbones[backbone].launch)

    def request_of(self, stage: Literal["train", "evaluate"], backbone: str) -> Request:
        """Return the cluster resources of a job of a stage that needs a language model."""
        section = self.train if stage == "train" else self.evaluate
        return self.backbones[backbone].request or section.request

    def of_variant(self, name: str | None) -> "Config":
        """Return the configuration with the values of a variant, or this one without a variant."""
        if not name:
            return self
        if name not in self._of_variant:
            self._of_variant[name] = self.model_copy(update=dict(self.overridable.with_values_of(self.variants[name])))
        return self._of_variant[name]

    def at(self, keys: Iterable[str]) -> Any:
        """Return the value or section at the path of `keys`."""
        node: Any = self
        for key in keys:
            node = node[key] if isinstance(node, dict) else getattr(node, key)
        return node

    def changes(self, variant: str, key: str) -> bool:
        """Return whether a variant changes the value or section at a dotted key."""
        if (variant, key) not in self._changed:
            keys = key.split(".")
            self._changed[variant, key] = self.of_variant(variant).at(keys) != self.at(keys)
        return self._changed[variant, key]

    def planted_datasets(self) -> list[str]:
        """Return the names of the datasets on which planted evidence is scored."""
        used = (n for n in self.evaluate.planted if n in self.dataset_names())
        return [n for n in used if getattr(self.datasets, n).source == "synthetic"]

    @property
    def study(self) -> Study | None:
        """The human study; None if its dataset or its model is not configured."""
        study = self.evaluate.study
        return study if study.dataset in self.dataset_names() and study.trained in self.models else None

    def simulates_raters(self) -> bool:
        """Return whether the raters are stand-ins: there are no responses yet, and the texts are not from MIMIC."""
        study = self.study
        return study is not None and study.responses is None and self.study_source() != "folder"

    def study_source(self) -> str:
        """Return the source of the texts that raters read, in the terms of the guard of language models."""
        source: str = getattr(self.datasets, self.evaluate.study.dataset).text_source
        return source

    def named_llms(self) -> dict[str, str]:
        """Return the names of the language models that are asked, by the key that names them."""
        named = {f"models.{name}.teacher": model.teacher for name, model in self.models.items() if model.teacher}
        named |= {f"asked.{name}.llm": row.llm for name, row in self.asked.items()}
        named |= {f"evaluate.judge.llms[{i}]": name for i, name in enumerate(self.evaluate.judge.llms)}
        return named | {"knowledge.terms.llm": self.knowledge.terms.llm}

    def teachers(self) -> list[str]:
        """Return the names of the language models whose rationales are learned from."""
        return sorted({model.teacher for model in self.models.values() if model.teacher})

    def trained_encoders(self) -> list[str]:
        """Return the names of the text encoders that are part of trained models."""
        names = [model.encoder for model in self.models.values()] + [row.encoder for row in self.classifiers.values()]
        return sorted({name for name in names if name})

    def used_encoders(self) -> list[str]:
        """Return the names of the text encoders in use: those of trained models, and that of BERTScore."""
        compared = [self.evaluate.bertscore.encoder] if self.evaluate.bertscore and self.compared_models() else []
        return sorted({*self.trained_encoders(), *compared})

    def compared_models(self) -> dict[str, Model]:
        """Return the trained models whose rationales are compared."""
        return {name: model for name, model in self.models.items() if model.is_compared}

    def reference_teacher(self) -> str | None:
        """Return the teacher whose rationales are the reference: that of the first compared model; None without any."""
        return next((model.teacher for model in self.compared_models().values()), None)

    def trained_classifiers(self) -> list[str]:
        """Return the names of the rows of `classifiers` that are trained, once per seed."""
        return [name for name, row in self.classifiers.items() if row.learns]

    def is_served(self, name: str) -> bool:
        """Return whether a language model is served by the job that asks it."""
        return name in self.llms and self.llms[name].provider == "served"

    def served_llms(self) -> list[str]:
        """Return the names of the language models that are served by the jobs that ask them."""
        return sorted({name for name in self.named_llms().values() if self.is_served(name)})

    def dataset_names(self) -> list[str]:
        """Return the names of the configured datasets."""
        return [name for name in ("mimic3", "mimic4") if getattr(self.datasets, name) is not None]


def load_config(raw: dict[str, Any]) -> Config:
    """Validate the merged configuration; UserError lists every problem with its key and a remedy."""
    try:
        return _without_repairs(Config.model_validate(raw))
    except ValidationError as error:
        lines = [line for e in error.errors() for line in explain(e, Config).splitlines()]
        raise UserError(invalid(lines)) from None


def invalid(lines: Iterable[str]) -> str:
    """Return one message with all problems of the configuration."""
    return "\n".join(
        [
            "the configuration is not valid; correct config/local.yaml or your overlay:",
            *(f"  - {line}" for line in lines),
        ]
    )


def _without_repairs(config: Config) -> Config:
    """Return the configuration with all repairs of the benchmark's quirks off if `benchmark.compat` is true."""
    if not config.benchmark.compat:
        return config
    sections = {name: getattr(config.extract, name) for name in ("diagnoses", "events")}
    off = {n: s.model_copy(update=dict.fromkeys(type(s).model_fields, False)) for n, s in sections.items()}
    return config.model_copy(update={"extract": config.extract.model_copy(update=off)})
