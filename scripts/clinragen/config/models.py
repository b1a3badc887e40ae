"""Trained models: each is a row of the paper's tables."""

from typing import Any, Literal

from clinragen.config.base import Section


class Model(Section):
    """One trained model. Models with the same settings for a phase share that phase's checkpoint."""

    row: str
    """Name of the row in the paper's tables."""
    table: list[Literal[1, 2, 6]]
    """Tables that contain the row; table 6 names it by backbone, method and teacher, whatever `row` says."""
    backbone: str
    """A key of `backbones`."""
    last_phase: Literal[1, 3]
    """1: notes only; 3: all phases."""
    target: Literal["rationales", "note_rationale", "diagnoses"]
    """What the model learns to write: diagnoses with both rationales, with that on the note (R^m), or alone."""
    teacher: str | None
    """A key of `llms`, which writes the rationales; null if and only if `target` is `diagnoses`."""
    vocabulary: Literal["knowledge", "pubmed", "wikipedia", "standard", None]
    """Vocabulary of the attention: V^k, the part that one source brings, or all tokens; null if `last_phase` is 1."""
    variant: str | None = None
    """A key of `variants`, whose settings the model has; it is compared with the same model without it."""
    like: str | None = None
    """Another row, without this key, whose values the row has where it names none; its `table` is empty, then."""

    @property
    def uses_knowledge(self) -> bool:
        """Whether its attention sees a vocabulary that comes from documents."""
        return self.vocabulary in ("knowledge", "pubmed", "wikipedia")

    @property
    def recipe(self) -> tuple[object, ...]:
        """All that decides the model but for its variant."""
        return self.backbone, self.last_phase, self.target, self.teacher, self.vocabulary


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
