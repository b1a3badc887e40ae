"""Settings of stage train."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from clinragen.config.base import Section
from clinragen.config.explain import explain
from clinragen.config.request import Request


class Phase(Section):
    """Schedule of one training phase."""

    learning_rate: float = Field(gt=0)
    """Peak learning rate of AdamW (ambiguity 16)."""
    epochs: int = Field(ge=1)
    """Maximum number of passes over the training split (ambiguity 17)."""
    patience: int = Field(ge=1)
    """Stop after this many epochs with neither a lower loss nor a higher F1 on the validation split."""


class Lora(Phase):
    """Schedule and shape of low-rank adapters (LoRA), by PEFT."""

    rank: int = Field(ge=1)
    """Rank of the two factors of an adapter."""
    alpha: float = Field(gt=0)
    """The product of the factors is multiplied by `alpha` / `rank`."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout on the input of an adapter."""
    modules: Literal["all"] | list[str]
    """Linear layers that get an adapter, by their names in the language model; `all`: every one within its blocks."""

    @field_validator("modules")
    @classmethod
    def _not_empty(cls, names: list[str] | str) -> list[str] | str:
        if not names:
            raise ValueError("lists no layer; list one, or set it to all")
        return names


class Optimizer(Section):
    """Settings common to all phases."""

    weight_decay: float = Field(ge=0)
    """Weight decay of AdamW."""
    warmup: float = Field(ge=0, lt=1)
    """Fraction of the steps with a rising learning rate."""
    batch: int = Field(ge=1)
    """Samples per optimizer step, over all processes of all nodes."""
    batch_order: Literal["shuffled", "sorted"]
    """Order of the batches, each of samples of similar length: random, or from long to short (ambiguity 30)."""
    diagnoses_weight: float = Field(gt=0)
    """Weight of a token of the diagnoses in the loss; tokens of the rationales have weight 1 (ambiguity 31)."""
    selection: Literal["f1", "loss"]
    """Keep the weights of the epoch with the best validation F1 of the diagnoses, or loss (ambiguity 32)."""
    marked_samples: Literal["keep", "leave_out"]
    """Training samples with a rationale that failed a check or is missing: keep them (without a missing one) or not."""
    precision: Literal["fp32", "tf32", "bf16"]
    """Number format of the forward pass: fp32, tf32 (fp32, multiplied in TF32; GPU only), or bf16 where it is safe."""
    max_steps: int | None = Field(ge=1)
    """End each training after so many steps, as a rehearsal does; null: only its epochs and patience end it."""


class Launch(Section):
    """How training is started."""

    device: Literal["cuda", "cpu"]
    """Device of the processes; `cuda` is an error without a GPU."""
    nodes: int = Field(ge=1)
    """Nodes per job; more than one requires SLURM, which starts `torchrun` on each."""
    processes: int = Field(ge=1)
    """Processes per node; with device `cuda`, one GPU each."""
    micro_batch_tokens: int = Field(ge=1)
    """Most tokens in a micro-batch of a process, padding included; batch norm sees one micro-batch at a time."""
    fit_memory: bool
    """If the largest samples do not fit into GPU memory, halve `micro_batch_tokens` until they do."""
    deepspeed: bool
    """Train with DeepSpeed."""
    zero_stage: Literal[2, 3]
    """What DeepSpeed partitions among the processes: 2: gradients and optimizer state; 3: weights as well."""
    gradient_checkpointing: bool
    """Keep only the inputs of each block of the language model, and recompute the rest in the backward pass."""

    def with_values_of(self, changes: dict[str, Any]) -> "Launch":
        """Return the settings with other values for some keys; pydantic's ValidationError if they are not valid."""
        return Launch.model_validate(self.model_dump() | changes)


# Keys of `train.launch` that are the same for all language models: rules request the same nodes for all their jobs.
FIXED = ("device", "nodes")


def launch_problems(place: str, launch: Launch, changes: dict[str, Any], batch: int) -> Iterator[str]:
    """Yield contradictions in `train.launch` with the `changes` at key `place`; `batch` is `train.optimizer.batch`."""
    yield from (f"{place}.{key}: the same for all; set train.launch.{key}" for key in FIXED if key in changes)
    try:
        merged = launch.with_values_of(changes)
    except ValidationError as error:
        yield from (explain(e, Launch, f"{place}.") for e in error.errors())
        return
    if "processes" in changes and batch < merged.nodes * merged.processes:
        yield (
            f"{place}.processes: {merged.processes}, times {merged.nodes} nodes, is more than train.optimizer.batch "
            f"({batch}), which is split among the processes; lower it"
        )
    if merged.deepspeed and merged.zero_stage == 3 and merged.fit_memory:
        yield (
            f"{place}.fit_memory: true, but memory cannot be probed while zero_stage 3 partitions the weights; set it "
            "to false, and micro_batch_tokens as low as a GPU needs"
        )


class Train(Section):
    """The three phases of distillation, and the trainings of other rows."""

    phase1: Phase
    """Notes: the language model learns D, R^m and R^t from M (equation 4)."""
    phase2: Phase
    """Labs: encoder and attention learn D and R^t with a frozen language model (equation 7)."""
    phase3: Phase
    """Both: all parts learn D, R^m and R^t (equation 8)."""
    joint: Phase
    """A single stage that trains all parts of a model (`training: joint`)."""
    frozen: Phase
    """A single stage that trains the parts in front of a frozen language model (`training: frozen`)."""
    lora: Lora
    """A single stage that trains adapters and the parts in front of a language model (`training: lora`)."""
    instruction_in_phase2: bool
    """In phase 2, also put the instruction that precedes a note after the lab tokens (ambiguity 36)."""
    freeze_encoder_in_phase3: bool
    """Freeze the series encoder in phase 3 (ambiguity 15)."""
    optimizer: Optimizer
    """Settings common to all phases."""
    launch: Launch
    """How training jobs are started."""
    report_to: Literal["none", "tensorboard"]
    """Write TensorBoard events of each training next to its log; changes no output (docs/cluster.md)."""
    request: Request
    """Cluster resources of a training job."""
