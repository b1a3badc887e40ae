"""Which models are trained: each row of the paper's tables is a row of config."""

from typing import Literal

from clinragen.config.base import Section


class Model(Section):
    """One trained model. Rows that agree in what a phase needs share that phase's checkpoint."""

    row: str
    """Name of the row in the paper's tables."""
    table: list[Literal[1, 2]]
    """Tables in which the row stands."""
    backbone: str
    """A key of `backbones`."""
    last_phase: Literal[1, 3]
    """1: notes only; 3: all phases."""
    target: Literal["rationales", "diagnoses"]
    """What the model learns to write: diagnoses with rationales, or diagnoses alone."""
    vocabulary: Literal["knowledge", "standard", None]
    """Which vocabulary the attention sees: V^k or the whole one; null exactly where `last_phase` is 1."""
