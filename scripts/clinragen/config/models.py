"""Trained models: each is a row of the paper's tables."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from clinragen.config.base import Section
from clinragen.config.student import Parts, Read


class Model(Section):
    """One trained model. Models with the same settings for a phase share that phase's checkpoint."""

    row: str
    """Name of the row in the paper's tables."""
    table: list[Literal[1, 2, 6]]
    """Tables that contain the row; table 6 names it by backbone, method and teacher, whatever `row` says."""
    backbone: str
    """A key of `backbones`."""
    reads: list[Read] = Field(min_length=1)
    """What the model reads, texts in their order: note, captions (the series as sentences), series."""
    series: Literal["attention", "linear", None] = None
    """How series enter: by the attention to a vocabulary, or by a linear projection; null if none are read."""
    soft_prompts: bool = False
    """Learn vectors before each text (`student.soft_prompt`)."""
    training: Literal["phase1", "phases", "joint", "lora", "frozen", "frozen-untuned"]
    """`phase1` or all three `phases` of the paper; `joint`: all parts at once; `lora`: likewise, but of the language
    model only adapters (`train.lora`); `frozen`: the language model as phase 1 left it, or as it was fetched
    (`frozen-untuned`), while the parts before it learn."""
    target: Literal["rationales", "note_rationale", "diagnoses"]
    """What the model learns to write: diagnoses with both rationales, with that on the note (R^m), or alone."""
    teacher: str | None
    """A key of `llms`, which writes the rationales; null if and only if `target` is `diagnoses`."""
    vocabulary: Literal["knowledge", "pubmed", "wikipedia", "standard", None]
    """Vocabulary of the attention: V^k, the part that one source brings, or all tokens; null without attention."""
    variant: str | None = None
    """A key of `variants`, whose settings the model has; it is compared with the same model without it."""
    like: str | None = None
    """Another row, without this key, whose values the row has where it names none; its `table` is empty, then."""

    @property
    def uses_knowledge(self) -> bool:
        """Whether its attention sees a vocabulary that comes from documents."""
        return self.vocabulary in ("knowledge", "pubmed", "wikipedia")

    @property
    def stages(self) -> tuple[str, ...]:
        """The trainings that lead to the model, one after the other, by the last part of their paths."""
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
        """What a stage of its own reads, how, and where it starts, as paths name it."""
        names = [name for name in self.reads if name != "series"]
        names += [self.vocabulary or "linear"] * ("series" in self.reads)
        return "-".join(names + ["soft"] * self.soft_prompts + ["untuned"] * (self.training == "frozen-untuned"))

    @property
    def parts(self) -> Parts:
        """What it reads, and what stands before its language model."""
        return Parts(reads=self.reads, series=self.series, soft_prompts=self.soft_prompts)

    @property
    def recipe(self) -> tuple[object, ...]:
        """All that decides the model but for its variant."""
        return self.backbone, self.parts_name, self.training, self.target, self.teacher, self.vocabulary


def part_problems(place: str, model: Model) -> Iterator[str]:
    """Parts of a model that do not go together."""
    reads, expected = sorted(model.reads), {"phase1": ["note"], "phases": ["note", "series"]}.get(model.training)
    if len(set(reads)) < len(reads):
        yield f"{place}.reads: {model.reads} contains a part twice"
    if expected and (reads != expected or model.soft_prompts):
        yield (
            f"{place}.training: {model.training} reads {' and '.join(expected)} without soft prompts, not "
            f"{' and '.join(model.reads)}{' with them' * model.soft_prompts}; use joint or lora"
        )
    if model.training == "phases" and model.series == "linear":
        yield f"{place}.series: linear, but the three phases have the attention; use training joint or frozen"
    if ("series" in reads) != (model.series is not None):
        demand = "attention or linear" if "series" in reads else "null (no series are read)"
        yield f"{place}.series: must be {demand}, not {model.series or 'null'}"
    if (model.series == "attention") != (model.vocabulary is not None):
        demand = "a vocabulary" if model.series == "attention" else "null (there is no attention)"
        yield f"{place}.vocabulary: series {model.series or 'null'} requires {demand}, not {model.vocabulary or 'null'}"
    if model.training.startswith("frozen") and model.series is None:
        yield f"{place}.training: {model.training} leaves nothing to learn without series; read them, or use joint"
    if model.soft_prompts and not {"note", "captions"} & set(reads):
        yield f"{place}.soft_prompts: stand before texts, of which the model reads none; set it to false"


def with_values_of_others(rows: dict[str, Any]) -> dict[str, Any]:
    """Rows of which those with the key `like` are complete; ValueError where it names no complete row."""
    complete = dict(rows)
    for name, row in rows.items():
        if isinstance(row, dict) and row.get("like") is not None:
            other = rows.get(row["like"])
            if not isinstance(other, dict) or other.get("like") is not None:
                raise ValueError(f"{name}.like: {row['like']!r} is not another row, without `like`")
            complete[name] = {**other, "table": [], **row}
    return complete


class Trained(Section):
    """A model that is trained on a dataset; no section of the configuration."""

    dataset: str
    """MIMIC-III or MIMIC-IV."""
    name: str
    """Its key in `models`."""
    row: str
    """Name of the row in the paper's tables."""
    backbone: str
    """A key of `backbones`."""


class TrainedModels(Section):
    """Some of them, in the order of their files."""

    rows: list[Trained]
    """The models."""
