"""Trained models: each is a row of the paper's tables."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from clinragen.config.base import Section
from clinragen.config.student import Parts, Read, SoftPromptKind, TargetOrder


class Model(Section):
    """One trained model. Models with the same settings for a phase share that phase's checkpoint."""

    row: str
    """Name of the row in the paper's tables."""
    table: list[Literal[1, 2, 6]]
    """Tables that contain the row; table 6 names it by backbone, method and teacher instead of `row`."""
    backbone: str
    """A key of `backbones`."""
    reads: list[Read] = Field(min_length=1)
    """Inputs: note and captions (series as sentences) in their order; series; features (age, sex, admission)."""
    series: Literal["attention", "linear", "qformer", None] = None
    """Entry of the series: attention to a vocabulary, a linear projection, or a Q-Former; null if none are read."""
    encoder: str | None = None
    """A key of `encoders`, whose layers initialise the Q-Former; null for models without one."""
    soft_prompts: SoftPromptKind = None
    """Learned vectors: before `texts`; or before encoder and decoder, `reparametrised` or `conditional` on features."""
    training: Literal["phase1", "phases", "joint", "lora", "frozen", "frozen-untuned"]
    """`phase1`, three `phases`, `joint` (all at once), `lora` (adapters), `frozen` after phase 1, `frozen-untuned`."""
    target: Literal["rationales", "note_rationale", "diagnoses"]
    """Text to write: the diagnoses with both rationales, with that on the note (R^m) only, or alone."""
    target_order: TargetOrder = "diagnoses_first"
    """Whether the diagnoses precede the rationales, as in the paper, or follow them (Kwon et al.)."""
    teacher: str | None
    """A key of `llms`, which writes the rationales; null if and only if `target` is `diagnoses`."""
    vocabulary: Literal["knowledge", "pubmed", "wikipedia", "standard", None]
    """Vocabulary of the attention: V^k, the part from one source, or all tokens; null without attention."""
    variant: str | None = None
    """A key of `variants`, whose settings the model uses; it is compared with the same model without it."""
    like: str | None = None
    """Another row (without `like`) that supplies the values of all missing keys; `table` is then empty by default."""

    @property
    def uses_knowledge(self) -> bool:
        """Whether its attention uses a vocabulary extracted from documents."""
        return self.vocabulary in ("knowledge", "pubmed", "wikipedia")

    @property
    def is_compared(self) -> bool:
        """Whether its rationales are compared with the teacher's: it has one, and is in table 1 or 2."""
        return self.teacher is not None and bool({1, 2} & set(self.table))

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the training stages in their order, as in paths."""
        return {
            "phase1": ("phase1",),
            "phases": ("phase1", "phase2", "phase3"),
            "joint": ("joint",),
            "lora": ("lora",),
            "frozen": ("phase1", "frozen"),
            "frozen-untuned": ("frozen",),
        }[self.training]

    @property
    def parts_name(self) -> str:
        """Inputs, their entries and the starting point of a single training stage, as in paths."""
        names: list[str] = [name for name in self.reads if name != "series"]
        entry = self.vocabulary or (f"qformer-{self.encoder}" if self.series == "qformer" else "linear")
        if "series" in self.reads:
            names.append(entry)
        if self.soft_prompts:
            names.append("soft" if self.soft_prompts == "texts" else self.soft_prompts)
        if self.training == "frozen-untuned":
            names.append("untuned")
        return "-".join(names)

    @property
    def parts(self) -> Parts:
        """Its inputs, and the modules in front of its language model."""
        return Parts(reads=self.reads, series=self.series, soft_prompts=self.soft_prompts)

    @property
    def recipe(self) -> tuple[object, ...]:
        """Everything that decides the model except its variant."""
        target = self.target, self.target_order
        return self.backbone, self.parts_name, self.training, *target, self.teacher, self.vocabulary


def part_problems(place: str, model: Model) -> Iterator[str]:
    """Yield contradictions between the parts of a model; `place` is its key."""
    reads, expected = sorted(model.reads), {"phase1": ["note"], "phases": ["note", "series"]}.get(model.training)
    if len(set(reads)) < len(reads):
        yield f"{place}.reads: {model.reads} contains an input twice; remove the duplicate"
    if expected and reads != expected:
        yield (
            f"{place}.training: {model.training} reads {' and '.join(expected)}, not {' and '.join(model.reads)}; "
            "use joint or lora"
        )
    if model.training == "phases" and model.series in ("linear", "qformer"):
        yield f"{place}.series: {model.series}, but the three phases use attention; use training joint or frozen"
    if model.training == "lora" and model.series == "qformer":
        yield f"{place}.series: training lora does not support qformer; use attention, linear or training joint"
    if ("series" in reads) != (model.series is not None):
        required = "attention, linear or qformer" if "series" in reads else "null (no series are read)"
        yield f"{place}.series: must be {required}, not {model.series or 'null'}"
    if (model.series == "attention") != (model.vocabulary is not None):
        required = "a vocabulary" if model.series == "attention" else "null (without attention)"
        yield (
            f"{place}.vocabulary: series {model.series or 'null'} requires {required}, not {model.vocabulary or 'null'}"
        )
    if (model.series == "qformer") != (model.encoder is not None):
        required = "one of encoders (a BERT)" if model.series == "qformer" else "null (without a Q-Former)"
        yield f"{place}.encoder: series {model.series or 'null'} requires {required}, not {model.encoder or 'null'}"
    if model.training.startswith("frozen") and model.series is None:
        yield f"{place}.training: {model.training} trains nothing without series; add them to reads, or use joint"
    yield from _soft_prompt_problems(place, model)
    if model.target_order == "rationale_first" and model.target == "diagnoses":
        yield f"{place}.target_order: rationale_first, but target diagnoses has no rationale; set diagnoses_first"


def _soft_prompt_problems(place: str, model: Model) -> Iterator[str]:
    if model.soft_prompts and model.training not in ("joint", "lora"):
        yield f"{place}.soft_prompts: {model.soft_prompts} requires training joint or lora, not {model.training}"
    if model.soft_prompts == "texts" and not {"note", "captions"} & set(model.reads):
        yield f"{place}.soft_prompts: texts, but the model reads no text; add one to reads, or set it to null"
    if "features" in model.reads and model.soft_prompts != "conditional":
        yield f"{place}.soft_prompts: must be conditional (the only way to read features)"
    if model.soft_prompts == "conditional" and "features" not in model.reads:
        yield f"{place}.soft_prompts: conditional requires features in {place}.reads, which is {model.reads}"


def with_values_of_others(rows: dict[str, Any]) -> dict[str, Any]:
    """Return the rows with those that use `like` completed; ValueError if it does not name a row without `like`."""
    complete = dict(rows)
    for name, row in rows.items():
        if isinstance(row, dict) and row.get("like") is not None:
            other = rows.get(row["like"])
            if not isinstance(other, dict) or other.get("like") is not None:
                raise ValueError(f"{name}.like: {row['like']!r} is not a row without `like`; name one")
            complete[name] = {**other, "table": [], **row}
    return complete


class Trained(Section):
    """A model that is trained on a dataset; not a section of the configuration."""

    dataset: str
    """MIMIC-III or MIMIC-IV."""
    name: str
    """Its key in `models`."""
    row: str
    """Name of the row in the paper's tables."""
    backbone: str
    """A key of `backbones`."""


class TrainedModels(Section):
    """Trained models, in the order of their files."""

    rows: list[Trained]
    """The models."""
