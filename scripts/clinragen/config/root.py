"""The whole of config.yaml, validated when the workflow starts."""

import ast
import inspect
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, field_validator, model_validator

from clinragen.config.asked import Asked, asked_problems
from clinragen.config.base import Section, usable_path
from clinragen.config.benchmark import Benchmark
from clinragen.config.classifiers import Classifier, classifier_problems
from clinragen.config.datasets import Datasets, DemoCohort
from clinragen.config.evaluate import Evaluate
from clinragen.config.explain import explain, sections
from clinragen.config.extract import Extract
from clinragen.config.knowledge import Knowledge
from clinragen.config.llms import Llm, Transport
from clinragen.config.models import Model, part_problems, with_values_of_others
from clinragen.config.rationale import Rationale
from clinragen.config.request import Request
from clinragen.config.rows import RECIPES, recipe_problems, row_in
from clinragen.config.student import Backbone, Student, TextEncoder
from clinragen.config.train import Launch, Train, launch_problems
from clinragen.config.variants import Settings, Variant, setting_problems, tf32_problems, variant_problems
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
        if usable_path(text) != text:  # Snakemake has read its own key already
            raise ValueError(f"Snakemake does not expand ~; set {usable_path(text)!r}")
        return text


class Config(Section):
    """All settings."""

    pathvars: Pathvars
    """Directories of results, logs and timings (Snakemake's own key): one tree per overlay."""
    answers: str
    """Directory of what services have answered, shared by all overlays; a copy of it makes a run repeatable."""
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
    """Text encoders by name; one is fetched where `models`, `classifiers` or `evaluate.bertscore` name it."""
    student: Student
    """Student model."""
    train: Train
    """Stage train."""
    variants: dict[str, Variant]
    """Named overrides of settings, which rows of `models` may have; what a variant does not change it shares."""
    models: dict[str, Model]
    """Rows of the paper's tables that are trained."""
    asked: dict[str, Asked]
    """Rows of the paper's tables whose model is asked, not trained; null leaves one out."""
    classifiers: dict[str, Classifier]
    """Baselines beyond the paper, which write nothing; null leaves one out."""
    seeds: list[int] = Field(min_length=1)
    """Seeds of the training runs; tables give mean and standard deviation over them."""
    evaluate: Evaluate
    """Stage evaluate."""
    _of_variant: dict[str, "Config"] = PrivateAttr(default_factory=dict)
    _changed: dict[tuple[str, str], bool] = PrivateAttr(default_factory=dict)

    @field_validator("answers")
    @classmethod
    def _usable_directory(cls, text: str) -> str:
        return usable_path(text)

    @field_validator(
        *("variants", "models", "asked", "classifiers", "backbones", "encoders", "llms", "llm_transport"), mode="before"
    )
    @classmethod
    def _without_nulls(cls, rows: Any) -> Any:
        """An overlay leaves a row out by setting it to null."""
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
                raise ValueError(f"the name {name!r} cannot be part of a path")
            if "+" in name:
                raise ValueError(f"the name {name!r} contains '+', which precedes a variant in paths; rename it")
            usable_path(name)
        return rows

    @model_validator(mode="after")
    def _agrees(self) -> "Config":
        problems = [*setting_problems("", self._settings), *variant_problems(self.variants, self._settings)]
        for name, model in self.models.items():
            if model.variant not in (None, *self.variants):
                known = ", ".join(self.variants) or "none is configured"
                problems.append(f"models.{name}.variant: {model.variant!r} is not one of variants ({known})")
            if model.backbone not in self.backbones:
                problems.append(
                    f"models.{name}.backbone: {model.backbone!r} is not one of backbones ({', '.join(self.backbones)})"
                )
            if model.encoder not in (None, *self.encoders):
                problems.append(
                    f"models.{name}.encoder: {model.encoder!r} is not one of encoders ({', '.join(self.encoders)})"
                )
            problems += part_problems(f"models.{name}", model)
            if (model.target == "diagnoses") != (model.teacher is None):
                demand = "null (diagnoses have no teacher)" if model.target == "diagnoses" else "one of llms"
                problems.append(
                    f"models.{name}.teacher: target {model.target} requires {demand}, not {model.teacher or 'null'}"
                )
        problems += [*recipe_problems(self.models), *self._models_without_place(), *self._launch_problems()]
        problems += self._llm_references()
        problems += [*asked_problems(self.asked), *classifier_problems(self.classifiers)]
        problems += [
            f"classifiers.{name}.encoder: {row.encoder!r} is not one of encoders ({', '.join(self.encoders)})"
            for name, row in self.classifiers.items()
            if row.encoder not in (None, *self.encoders)
        ]
        named = self.evaluate.bertscore.encoder if self.evaluate.bertscore else None
        if named not in (None, *self.encoders):
            known = ", ".join(self.encoders)
            problems.append(f"evaluate.bertscore.encoder: {named!r} is not one of encoders ({known})")
        problems += self._dataset_combinations() + self._rows_twice() + self._comparison_problems()
        decoding = self.evaluate.decoding
        problems += tf32_problems("evaluate.decoding", decoding.precision, "evaluate.decoding", decoding.device)
        if len(set(self.seeds)) < len(self.seeds):
            problems.append(f"seeds: {self.seeds} contains a seed twice")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _models_without_place(self) -> list[str]:
        """Models that would be trained although nothing shows how they do."""
        problems = []
        for name, model in self.models.items():
            if model.variant is not None and self.without_variant(name) is None:
                problems.append(
                    f"models.{name}.variant: there is no row of models with the same backbone, parts, training, "
                    "target, teacher and vocabulary but variant null, with which it would be compared; add one"
                )
            if not model.table and model.variant is None and not self.planted_datasets():
                problems.append(
                    f"models.{name}.table: empty, so that its scores would be in no table; name a table, or set "
                    f"models.{name} to null"
                )
        return problems

    def _comparison_problems(self) -> list[str]:
        """Rows of tables 1 and 2 that cannot be compared with the others: none of that name, or other test samples."""
        rows = {*RECIPES, *(row.row for section in (self.models, self.asked) for row in section.values())}
        problems = []
        if self.evaluate.reference not in rows:
            problems.append(
                f"evaluate.reference: {self.evaluate.reference!r} is not a row of tables 1 and 2; rows: "
                f"{'; '.join(sorted(rows))}"
            )
        for name, model in self.models.items():
            keys = self.variants[model.variant].benchmark.keys() if model.variant in self.variants else set()
            if {1, 2} & set(model.table) and (other := sorted({"split", "course"} & keys)):
                problems.append(
                    f"models.{name}.table: rows of tables 1 and 2 are compared on the same test samples, which variant "
                    f"{model.variant!r} changes (benchmark.{other[0]}); leave its table empty, then its scores are in "
                    "tables/sensitivity.html"
                )
        return problems

    def without_variant(self, name: str) -> str | None:
        """Name of the first model with the same recipe and no variant."""
        recipe = self.models[name].recipe
        return next((n for n, m in self.models.items() if m.variant is None and m.recipe == recipe), None)

    def variant_rows(self) -> list[str]:
        """Names of the models with a variant."""
        return [name for name, model in self.models.items() if model.variant is not None]

    @property
    def _settings(self) -> Settings:
        """What variants override."""
        return Settings.model_construct(student=self.student, train=self.train, benchmark=self.benchmark)

    def launch_of(self, backbone: str) -> Launch:
        """How trainings of a language model are started."""
        return self.train.launch.with_values_of(self.backbones[backbone].launch)

    def request_of(self, stage: Literal["train", "evaluate"], backbone: str) -> Request:
        """Cluster resources of a job of a stage that needs a language model."""
        return self.backbones[backbone].request or getattr(self, stage).request

    def _launch_problems(self) -> Iterator[str]:
        """Values of `train.launch` and of the rows of `backbones` that do not go together, or with the models."""
        launch, batch = self.train.launch, self.train.optimizer.batch
        found = [*launch_problems("train.launch", launch, {}, batch)]
        for name, backbone in self.backbones.items():
            place = f"backbones.{name}.launch"
            problems = list(launch_problems(place, launch, backbone.launch, batch))
            # What is wrong in train.launch is said once.
            found += problems if backbone.launch else []
            lora = [key for key, m in self.models.items() if m.training == "lora" and m.backbone == name]
            if not problems and lora and (own := self.launch_of(name)).deepspeed and own.zero_stage == 3:
                found.append(
                    f"models.{lora[0]}.training: lora, whose frozen weights zero_stage 3 would divide; set "
                    f"{place}.zero_stage to 2, or deepspeed to false"
                )
        divided = launch.deepspeed and launch.zero_stage == 3
        if (names := self.trained_classifiers()) and (launch.gradient_checkpointing or divided):
            found.append(
                f"classifiers.{names[0]}: gradient_checkpointing and zero_stage 3 are for language models; set them in "
                "backbones.<name>.launch, not in train.launch"
            )
        yield from found

    def of_variant(self, name: str | None) -> "Config":
        """The configuration with the values of a variant; this one for none."""
        if not name:
            return self
        if name not in self._of_variant:
            self._of_variant[name] = self.model_copy(update=dict(self._settings.with_values_of(self.variants[name])))
        return self._of_variant[name]

    def at(self, keys: Iterable[str]) -> Any:
        """The value or section below these keys, one in the other."""
        node: Any = self
        for key in keys:
            node = node[key] if isinstance(node, dict) else getattr(node, key)
        return node

    def changes(self, variant: str, place: str) -> bool:
        """Whether a variant has another value at a place (dotted keys) than models without one."""
        if (variant, place) not in self._changed:
            keys = place.split(".")
            self._changed[variant, place] = self.of_variant(variant).at(keys) != self.at(keys)
        return self._changed[variant, place]

    def planted_datasets(self) -> list[str]:
        """Names of the datasets on which planted evidence is scored."""
        used = (n for n in self.evaluate.planted if n in self.dataset_names())
        return [n for n in used if getattr(self.datasets, n).source == "synthetic"]

    def _dataset_combinations(self) -> list[str]:
        """Values of `datasets` that no rule could serve."""
        mimic3, mimic4 = self.datasets.mimic3, self.datasets.mimic4
        if mimic3 is None and mimic4 is None:
            return ["datasets: mimic3 and mimic4 are both null; configure at least one of them"]
        problems = [
            f"datasets.{name}.validation_list: needs datasets.{name}.test_list, whose other patients it divides"
            for name, dataset in (("mimic3", mimic3), ("mimic4", mimic4))
            if dataset is not None and dataset.validation_list and not dataset.test_list
        ]
        synthetic = [
            n for n, d in (("mimic3", mimic3), ("mimic4", mimic4)) if d is not None and d.source == "synthetic"
        ]
        key = "benchmark.compat: true" if self.benchmark.compat else "extract.diagnoses.unlisted_codes: false"
        if self.benchmark.compat or not self.extract.diagnoses.unlisted_codes:
            problems += [
                f"{key}: datasets.{name} is synthetic and has no dictionary of codes (D_ICD_DIAGNOSES); use folder"
                for name in synthetic
            ]
        if mimic3 is not None and mimic3.source == "open-demo" and mimic3.raw is None:
            problems.append(
                "datasets.mimic3.raw: source open-demo needs the directory of the demo, or the one to download it to"
            )
        if mimic4 is not None and mimic4.source == "open-demo":
            problems.append("datasets.mimic4.source: open-demo exists for mimic3 only; use folder, or synthetic")
        if mimic4 is not None and mimic4.notes == "synthetic":
            problems.append(
                "datasets.mimic4.notes: synthetic notes are written for mimic3 only; set the directory of "
                "MIMIC-IV-Note, or null if the notes are in raw"
            )
        return problems

    def _llm_references(self) -> list[str]:
        """Names of language models that have no row, and rows of a server that say nothing of how it is reached."""
        used, listed = self.named_llms(), ", ".join(self.llms)
        problems = [f"{place}: {n!r} is not one of llms ({listed})" for place, n in used.items() if n not in self.llms]
        problems += [
            f"llm_transport.{name} is missing: llms.{name} is on a server; add a row with its base_url"
            for name, llm in self.llms.items()
            if llm.provider != "template" and name not in self.llm_transport
        ]
        for name, transport in self.llm_transport.items():
            provider = self.llms[name].provider if name in self.llms else None
            if provider == "openai" and transport.base_url is None:
                problems.append(f"llm_transport.{name}.base_url: missing; provider openai needs the URL of its server")
            if provider == "openai" and transport.server:
                problems.append(
                    f"llm_transport.{name}.server: provider openai asks a server that exists; set it to null"
                )
            if provider == "served" and transport.base_url is not None:
                problems.append(f"llm_transport.{name}.base_url: provider served chooses it; set it to null")
            if provider == "served" and transport.server is None:
                problems.append(f"llm_transport.{name}.server: missing; provider served needs the server's command")
        unknown = [name for name in self.llm_transport if name not in self.llms]
        return problems + [f"llm_transport.{name}: {name!r} is not one of llms ({listed})" for name in unknown]

    def named_llms(self) -> dict[str, str]:
        """Names of the language models that are asked, by the key that names them."""
        named = {f"models.{name}.teacher": model.teacher for name, model in self.models.items() if model.teacher}
        named |= {f"asked.{name}.llm": row.llm for name, row in self.asked.items()}
        return named | {"knowledge.terms.llm": self.knowledge.terms.llm}

    def teachers(self) -> list[str]:
        """Names of the language models whose rationales are learned from."""
        return sorted({model.teacher for model in self.models.values() if model.teacher})

    def trained_encoders(self) -> list[str]:
        """Names of the text encoders of which trained models are built."""
        return sorted({row.encoder for row in (*self.models.values(), *self.classifiers.values()) if row.encoder})

    def used_encoders(self) -> list[str]:
        """Names of the text encoders that are needed: those of trained models, and that of BERTScore."""
        compared = [self.evaluate.bertscore.encoder] if self.evaluate.bertscore and self.compared_models() else []
        return sorted({*self.trained_encoders(), *compared})

    def compared_models(self) -> dict[str, Model]:
        """The trained models whose rationales are compared."""
        return {name: model for name, model in self.models.items() if model.is_compared}

    def reference_teacher(self) -> str | None:
        """The teacher with whose rationales all are compared: that of the first compared model; None without any."""
        return next((model.teacher for model in self.compared_models().values()), None)

    def trained_classifiers(self) -> list[str]:
        """Names of the rows of `classifiers` that are trained, once for each seed."""
        return [name for name, row in self.classifiers.items() if row.learns]

    def is_served(self, name: str) -> bool:
        """Whether a language model is served by the job that asks it."""
        return name in self.llms and self.llms[name].provider == "served"

    def served_llms(self) -> list[str]:
        """Names of the language models that are asked, and served by the jobs that ask them."""
        return sorted({name for name in self.named_llms().values() if self.is_served(name)})

    def _rows_twice(self) -> list[str]:
        """A row of a table that two models claim: their scores would be mixed up as seeds of one model."""
        owners: dict[tuple[int | str, str], list[str]] = {}
        for section in (self.models, self.asked):
            for name, model in section.items():
                for table in sorted(set(model.table)):
                    row = row_in(model, table) if isinstance(model, Model) else model.row
                    owners.setdefault((table, row), []).append(name)
        for name in self.variant_rows():
            owners.setdefault(("sensitivity", self.models[name].row), []).append(name)
        problems = [
            f"models: {' and '.join(names)} are assigned to the same row {row!r} of table {table}"
            for (table, row), names in owners.items()
            if len(names) > 1
        ]
        for section, others in (("asked", self.models), ("classifiers", self.models | self.asked)):
            both = sorted(getattr(self, section).keys() & others.keys())
            problems += [
                f"{section}.{name}: {'models' if name in self.models else 'asked'} has a row of this name, too; "
                "rename one of them"
                for name in both
            ]
        return problems

    def dataset_names(self) -> list[str]:
        """Names of the datasets that are in use."""
        return [name for name in ("mimic3", "mimic4") if getattr(self.datasets, name) is not None]


def load_config(raw: dict[str, Any]) -> Config:
    """Validate the merged configuration; UserError lists every problem with its place and remedy."""
    try:
        return _without_repairs(Config.model_validate(raw))
    except ValidationError as error:
        lines = [line for e in error.errors() for line in explain(e, Config).splitlines()]
        raise UserError(invalid(lines)) from None


def invalid(lines: Iterable[str]) -> str:
    """One message of all problems of the configuration."""
    return "\n".join(
        [
            "the configuration is not valid; correct config/local.yaml or your overlay:",
            *(f"  - {line}" for line in lines),
        ]
    )


def _without_repairs(config: Config) -> Config:
    """With `benchmark.compat`, the configuration whose repairs of the benchmark's quirks are all off."""
    if not config.benchmark.compat:
        return config
    sections = {name: getattr(config.extract, name) for name in ("diagnoses", "events")}
    off = {n: s.model_copy(update=dict.fromkeys(type(s).model_fields, False)) for n, s in sections.items()}
    return config.model_copy(update={"extract": config.extract.model_copy(update=off)})


def reference() -> str:
    """Every key of config.yaml with its type and meaning, as Markdown (docs/config.md)."""
    lines = [
        "# Configuration reference",
        "",
        "Generated from `scripts/clinragen/config/` by `make docs`; values and comments are in `config.yaml`.",
        "",
        "| key | type | meaning |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *_rows(Config, "")]) + "\n"


def _meanings(section: type[BaseModel]) -> dict[str, str]:
    """The string under each field of a section, inherited ones too, in one line.

    pydantic would collect them at every start of every job.
    """
    sources = [kind for kind in reversed(section.__mro__) if issubclass(kind, Section)]
    bodies = (ast.parse(inspect.getsource(kind)).body[0].body for kind in sources)
    pairs = itertools.chain.from_iterable(map(itertools.pairwise, bodies))
    found = ((f, text.value) for f, text in pairs if isinstance(text, ast.Expr))
    return {
        field.target.id: " ".join(ast.literal_eval(text).split())
        for field, text in found
        if isinstance(field, ast.AnnAssign)
    }


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    meanings = _meanings(section)
    for name, field in section.model_fields.items():
        inner = next(sections(field.annotation), None)
        chosen = ".<name>" if inner and str(field.annotation).startswith("dict") else ""
        kind = "" if inner else _type_name(field.annotation)
        default = "" if field.is_required() else f" Default: `{json.dumps(field.default)}`."
        yield f"| `{prefix}{name}` | {kind} | {meanings[name]}{default} |"
        if inner:
            yield from _rows(inner, f"{prefix}{name}{chosen}.")


def _type_name(annotation: Any) -> str:
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    return text.replace("typing.", "").replace("|", "or")
