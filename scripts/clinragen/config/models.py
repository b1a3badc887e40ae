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
    vocabulary: Literal["knowledge", "standard", None]
    """Vocabulary of the attention: V^k or the complete one; null if and only if `last_phase` is 1."""


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
