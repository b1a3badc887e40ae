"""Trained models: each is a row of the paper's tables."""

from typing import Literal

from clinragen.config.base import Section


class Model(Section):
    """One trained model. Models with the same settings for a phase share that phase's checkpoint."""

    row: str
    """Name of the row in the paper's tables."""
    table: list[Literal[1, 2]]
    """Tables that contain the row."""
    backbone: str
    """A key of `backbones`."""
    last_phase: Literal[1, 3]
    """1: notes only; 3: all phases."""
    target: Literal["rationales", "diagnoses"]
    """What the model learns to write: diagnoses with rationales, or diagnoses alone."""
    teacher: str | None
    """A key of `llms`, which writes the rationales; null if and only if `target` is `diagnoses`."""
    vocabulary: Literal["knowledge", "pubmed", "wikipedia", "standard", None]
    """Vocabulary of the attention: V^k, the part that one source brings, or all tokens; null if `last_phase` is 1."""

    @property
    def uses_knowledge(self) -> bool:
        """Whether its attention sees a vocabulary that comes from documents."""
        return self.vocabulary in ("knowledge", "pubmed", "wikipedia")
