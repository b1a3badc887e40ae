"""Settings of stage evaluate."""

from typing import Literal

from pydantic import Field

from clinragen.config.asked import Cases
from clinragen.config.base import Section
from clinragen.config.judge import Judge
from clinragen.config.request import Request
from clinragen.config.study import Study


class Decoding(Section):
    """How the student generates text."""

    device: Literal["cuda", "cpu"]
    """Device of the student; `cuda` is an error without a GPU."""
    beams: int = Field(ge=1)
    """Number of beams; 1 is greedy search."""
    max_new_tokens: int = Field(ge=1)
    """Longest output in tokens."""
    write: Literal["all", "diagnoses"]
    """all: whole outputs; diagnoses: stop after them, which is much faster unless the rationale comes first."""
    precision: Literal["fp32", "tf32", "bf16"]
    """Number format of the forward pass, as in `train.optimizer.precision` (ambiguity 39)."""


class BertScore(Section):
    """BERTScore of rationales against the teacher's; without idf weights, not rescaled."""

    encoder: str
    """A key of `encoders`: the encoder whose vectors are compared."""
    layer: int = Field(ge=1)
    """Layer of the vectors; bert-score uses 17 for roberta-large."""
    batch: int = Field(ge=1)
    """Texts encoded at once; a different number may change the last digit of a score."""
    device: Literal["cuda", "cpu"]
    """Device of the encoder; `cuda` is an error without a GPU."""


class Bootstrap(Section):
    """Resampling of the patients of the test split."""

    replicates: int = Field(ge=1000)
    """Number of resamples; the smallest p value is 2 / (replicates + 1)."""
    seed: int
    """Seed of the resampling."""


class Compared(Section):
    """A run whose rationales are compared; not a section of the configuration."""

    model: str
    """Name of the row in the paper's tables."""
    run: str
    """`seed<n>` of a training, or `asked`."""
    parts: list[Literal["note", "lab"]]
    """The rationales that it writes."""


class ComparedRuns(Section):
    """Compared runs, in the order of their files."""

    runs: list[Compared]
    """The runs."""


class Evaluate(Section):
    """Predictions and scores."""

    batch: int = Field(ge=1)
    """Samples decoded at once; does not change any output."""
    decoding: Decoding
    """How the student generates text."""
    cases: Cases
    """The sample of the test split on which rationales are compared (table 4, figure 6)."""
    bertscore: BertScore | None
    """BERTScore of these rationales (table 4); null omits it."""
    bootstrap: Bootstrap
    """Intervals and tests over resampled patients."""
    reference: str
    """Row of tables 1 and 2 with which all other rows are compared."""
    judge: Judge
    """Language models that rate rationales."""
    planted: list[Literal["mimic3", "mimic4"]]
    """Datasets on which planted evidence is scored, if they are synthetic."""
    study: Study
    """The human study of figure 6b."""
    request: Request
    """Cluster resources of a prediction job."""
