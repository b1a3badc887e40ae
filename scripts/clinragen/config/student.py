"""Settings of the student model."""

from typing import Any, Literal

from pydantic import Field, field_validator

from clinragen.config.base import Section, usable_path
from clinragen.config.request import Request

Read = Literal["note", "captions", "series", "features"]
"""What a student reads of a sample: texts in their order, and where its lab tokens stand `lab_position` says."""
SoftPromptKind = Literal["texts", "reparametrised", "conditional", None]
"""Learned vectors before each text, or before encoder and decoder: free ones, or those of the features."""
TargetOrder = Literal["diagnoses_first", "rationale_first"]
"""Order of the sections of a target."""

# Models made on the spot, by their name as a source: their `model_type`, in the shape of Flan-T5, OPT, Qwen2.5, LLaMA.
STAND_INS = {"tiny": "t5", "tiny-opt": "opt", "tiny-qwen": "qwen2", "tiny-llama": "llama"}
# The same for text encoders, in the shape of BERT.
ENCODER_STAND_INS = ("tiny-bert",)


class Backbone(Section):
    """A small language model."""

    source: str
    """A model hub name or local directory; `tiny`, `tiny-opt`, `tiny-qwen`, `tiny-llama`: stand-ins for Flan-T5, OPT,
    Qwen2.5, LLaMA."""
    revision: str
    """Commit, tag or branch on the model hub; source.json records the fetched commit."""
    max_note_tokens: int | None = Field(None, ge=8)
    """Longest note in tokens where the model has no positions for `student.texts.max_note_tokens`; null: as there."""
    launch: dict[str, Any] = Field(default={})
    """Keys of `train.launch` but `device` and `nodes`, with other values for trainings of this model."""
    request: Request | None = None
    """Cluster resources of jobs that train this model or decode with it; null: `train.request`, `evaluate.request`."""
    batch: int | None = Field(None, ge=1)
    """Samples that are decoded at once; null: `evaluate.batch`."""

    @property
    def is_stand_in(self) -> bool:
        """Whether the model is made on the spot."""
        return self.source in STAND_INS

    @field_validator("source")
    @classmethod
    def _usable_path(cls, text: str) -> str:
        return usable_path(text)


class TextEncoder(Section):
    """A text encoder of the BERT kind, of which other models are built."""

    source: str
    """A model hub name or local directory; `tiny-bert`: a stand-in for a BERT."""
    revision: str
    """Commit, tag or branch on the model hub; source.json records the fetched commit."""

    @property
    def is_stand_in(self) -> bool:
        """Whether the model is made on the spot."""
        return self.source in ENCODER_STAND_INS

    @field_validator("source")
    @classmethod
    def _usable_path(cls, text: str) -> str:
        return usable_path(text)


class SeriesEncoder(Section):
    """The time series encoder (PatchTST)."""

    patch: int = Field(ge=1)
    """Steps per patch; `benchmark.series.max_steps` must be a multiple of it."""
    width: int = Field(ge=4)
    """Width of the encoder."""
    layers: int = Field(ge=1)
    """Transformer layers."""
    heads: int = Field(ge=1)
    """Attention heads; must divide the width."""
    feed_forward: int = Field(ge=4)
    """Width of the feed-forward part."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout."""
    positions: Literal["zero", "random", "sincos"]
    """Vector added for the position of a patch: learned from zero or from random values, or fixed (ambiguity 33)."""
    norm: Literal["batch", "layer"]
    """Normalisation; batch statistics are those of what a process takes at once (ambiguity 34)."""
    mask_padding: bool
    """Hide patches without any step of the stay from the attention (ambiguity 35)."""
    token: Literal["last", "last_measured", "mean_measured", "all"]
    """What stands for a channel: its last patch, the last or the mean of those of the stay, or all (ambiguity 10)."""


class Attention(Section):
    """The knowledge-augmented attention."""

    heads: int = Field(ge=1)
    """Attention heads (ambiguity 12)."""
    head_width: int = Field(ge=1)
    """Width of one head."""
    prototypes: int = Field(ge=0)
    """Learned mixtures of vocabulary vectors that serve as keys and values; 0 attends to all of V^k."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout on the attention weights."""


class QFormer(Section):
    """The Q-Former (BLIP-2): its layers are those of a text encoder, whose width it has."""

    queries: int = Field(ge=1)
    """Learned queries; each becomes a lab token."""
    cross_attention_every: int = Field(ge=1)
    """The first of so many layers attends to the vectors of the series encoder."""


class Texts(Section):
    """Maximum lengths of what the language model reads and writes; all phases depend on them."""

    max_note_tokens: int = Field(ge=8)
    """Longest note in tokens; the end is cut."""
    max_target_tokens: int = Field(ge=8)
    """Longest target in tokens; the end is cut."""


class Lengths(Section):
    """Most tokens that a language model has before it at once; no section of the configuration."""

    labs: int
    """Lab tokens; 0 if no series are read."""
    note: int
    """Tokens of a note, captions included."""
    prompts: int = 0
    """Vectors of soft prompts."""
    target: int
    """Tokens of a target, or of what is written."""
    marks: int = 2
    """The start mark and the line break between prompt and target."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.labs + self.note + self.prompts + self.target + self.marks


class Fusion(Section):
    """How series enter the language model; phase 1 does not depend on it."""

    series_encoder: SeriesEncoder
    """Time series encoder."""
    attention: Attention
    """Knowledge-augmented attention."""
    qformer: QFormer
    """Q-Former."""
    variable_identity: bool
    """Add a learned vector per variable to its lab token, which says nothing of it by itself (ambiguity 29)."""
    lab_position: Literal["prefix", "suffix"]
    """Position of the lab tokens relative to the note (ambiguity 11)."""


class Parts(Section):
    """What a student reads and what stands before its language model; no section of the configuration."""

    reads: list[Read]
    """What it reads, in this order."""
    series: Literal["attention", "linear", "qformer", None]
    """How series enter: by the attention to a vocabulary, a linear projection, or a Q-Former; null if none are read."""
    soft_prompts: SoftPromptKind
    """What vectors are learned, and where they stand; null for none."""
    fusion: Fusion | None = None
    """`student.fusion`; null where no series are read."""
    steps: int | None = None
    """Steps of a padded series; null where none is read."""
    soft_prompt: int | None = None
    """`student.soft_prompt`; null where no vectors are learned."""


class Student(Section):
    """The model that is trained."""

    texts: Texts
    """Lengths of notes and targets."""
    max_note_and_captions_tokens: int | None = Field(ge=8)
    """Longest note with its captions in tokens, for models that read both: the note is cut, the captions are not; null:
    `texts.max_note_tokens`."""
    fusion: Fusion
    """Series encoder and attention."""
    soft_prompt: int = Field(ge=1)
    """Vectors of a soft prompt, for models that have them; those that are `conditional` have one a feature."""
