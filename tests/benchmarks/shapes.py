"""Students in the real shapes of their language models: floating-point operations and memory of a training step.

Shapes decide both, so they are counted on fake tensors: no weights, no memory, no GPU.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import yaml
from runs import ROOT
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from toy_student import tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PretrainedConfig,
    T5Config,
)
from unit.test_model_sizes import SHAPES

from clinragen.config.student import Fusion, Texts
from clinragen.model.backbone import adapter_of
from clinragen.model.student import Student
from clinragen.registry.tokenizer import marks_of

SETTINGS = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
TEXTS = Texts.model_validate(SETTINGS["student"]["texts"])
FUSION = Fusion.model_validate(SETTINGS["student"]["fusion"])
CHANNELS, STEPS, VOCABULARY = 11, SETTINGS["benchmark"]["series"]["max_steps"], 2000
READS = {1: ("note",), 2: ("series",), 3: ("note", "series")}


def student_of(
    name: str,
    phase: int,
    attention: str = "eager",
    fusion: Fusion = FUSION,
    layers: int | None = None,
) -> Student:
    """A random student in the shape of a language model, or of its first layers, as a phase trains it."""
    shape = SHAPES[name] if layers is None else with_layers(SHAPES[name], layers)
    loader = AutoModelForSeq2SeqLM if isinstance(shape, T5Config) else AutoModelForCausalLM
    model = loader.from_config(shape, attn_implementation=attention)
    if isinstance(shape, T5Config):
        # transformers ties the output layer of a T5 that is built from a configuration; Flan-T5 has its own.
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    student = Student(adapter_of(model, tokenizer()), TEXTS, READS[phase])
    if phase > 1:
        vocabulary = model.get_input_embeddings().weight.detach()[:VOCABULARY]
        student._build_series_parts(fusion, CHANNELS, STEPS, vocabulary)
        student.encoder.patchtst.set_attn_implementation(attention)
    if phase == 2:
        student.freeze("backbone")
    return student.train()


def with_layers(shape: PretrainedConfig, layers: int) -> PretrainedConfig:
    """A copy of a shape with this many layers, of encoder and decoder each."""
    changed = copy.deepcopy(shape)
    changed.num_hidden_layers = layers
    if isinstance(shape, T5Config):
        changed.num_decoder_layers = layers
    return changed


def batch_of(phase: int, notes: int, targets: int, size: int = 1) -> dict[str, torch.Tensor]:
    """A batch without padding: notes and targets of these many tokens."""
    batch = {"labels": torch.ones(size, targets, dtype=torch.long)}
    if phase != 2:
        ids = torch.ones(size, notes, dtype=torch.long)
        batch |= {"input_ids": ids, "attention_mask": ids.clone()}
    if phase != 1:
        batch |= {"series": torch.zeros(size, STEPS, CHANNELS), "steps": torch.full((size,), STEPS)}
    return batch


@cache
def flops(name: str, phase: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function from the tokens of notes and targets to the FLOP of forward and backward, by torch's FlopCounterMode.

    Matrix products alone are counted, as in any MFU: one of [a, b] and [b, c] is 2abc. They are a polynomial of second
    degree in both lengths, which six counts determine, and linear in the number of layers, so that these are counted
    with one layer and two; a count of the whole model checks the result.
    """
    points, depth = [(64, 32), (128, 32), (256, 32), (64, 64), (64, 128), (128, 64)], SHAPES[name].num_hidden_layers
    one, two = (np.array([_count(name, phase, *point, layers) for point in points], float) for layers in (1, 2))
    weights = np.linalg.solve(_terms(*np.array(points, float).T), one + (depth - 1) * (two - one))

    def total(notes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return _terms(np.asarray(notes, float), np.asarray(targets, float)) @ weights

    longest, counted = total(1600, 500), _count(name, phase, 1600, 500)
    if not np.isclose(longest, counted, rtol=1e-6):
        raise AssertionError(f"{name}, phase {phase}: {longest:.6g} FLOP expected, {counted:.6g} counted")
    return total


def _count(name: str, phase: int, notes: int, targets: int, layers: int | None = None) -> int:
    with FakeTensorMode():
        student, batch = student_of(name, phase, layers=layers), batch_of(phase, notes, targets)
        with FlopCounterMode(display=False) as counter:
            student(**batch).float().sum().backward()
    return counter.get_total_flops()


def _terms(n: np.ndarray, m: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(n), n, m, n * n, m * m, n * m], -1)


def by_formula(name: str, notes: int, targets: int) -> float:
    """FLOP of phase 1 of a T5 by the usual formula, to compare: 6 for each weight that a token meets, and attention.

    Attention costs 12 x layers x heads x width x queries x keys: two products, forward once and backward twice.
    """
    c = SHAPES[name]
    inner = c.num_heads * c.d_kv
    attention, feed_forward = 4 * c.d_model * inner, 3 * c.d_model * c.d_ff
    encoder = c.num_layers * (attention + feed_forward)
    decoder = c.num_layers * (attention + attention // 2 + feed_forward) + c.d_model * c.vocab_size
    # Keys and values of the cross-attention are those of the note's tokens.
    weights = notes * (encoder + c.num_layers * attention // 2) + targets * decoder
    pairs = notes**2 + targets**2 + notes * targets
    return 6 * weights + 12 * c.num_layers * inner * pairs


@dataclass(frozen=True)
class Memory:
    """GB of a training step: what does not depend on the batch, and what each sample adds."""

    fixed: float
    eager: float
    fused: float

    def most_samples(self, capacity: float, fused: bool) -> int:
        """Samples of a micro-batch that fit into this many GB, a tenth kept for the allocator and work space."""
        return int((0.9 * capacity - self.fixed) // (self.fused if fused else self.eager))


def memory(name: str, phase: int, notes: int, targets: int) -> Memory:
    """Estimate with autocast to bf16: weights and their optimizer's state, and the activations of one sample.

    Activations are the tensors that autograd keeps for two samples beyond those for one. Eager attention keeps several
    matrices of queries x keys; fused attention keeps none, except one bias in bf16 for each attention of a T5, as
    transformers calls it.
    """
    one, two = (_kept(name, phase, notes, targets, size) for size in (1, 2))
    everything, scores = two - one
    with FakeTensorMode():
        sizes = [(p.numel(), p.requires_grad) for p in student_of(name, phase).parameters()]
    # Weights in fp32; gradients and two moments of those that are trained; copies of weights in bf16.
    fixed = sum((16 if trained else 4) * n for n, trained in sizes) + 2 * one.sum() - two.sum()
    shape, biases = SHAPES[name], 0
    if isinstance(shape, T5Config):
        read = prompt_tokens(phase, notes)
        biases = 2 * shape.num_layers * shape.num_heads * (read**2 + targets**2 + read * targets)
    return Memory(*(float(size) / 1e9 for size in (fixed, everything + scores, everything + biases)))


def prompt_tokens(phase: int, notes: int) -> int:
    """Tokens of a note and of the labs, as far as the phase reads them."""
    return (notes if phase != 2 else 0) + (CHANNELS if phase > 1 else 0)


def _kept(name: str, phase: int, notes: int, targets: int, size: int) -> np.ndarray:
    """Bytes that autograd keeps for a batch: of matrices of queries x keys [1], and of all else but the weights [0]."""
    read, marks = prompt_tokens(phase, notes), marks_of(tokenizer())
    # A causal model has both in one, with its marks; nothing follows the last token of a target.
    whole = len(marks.start) + read + len(marks.line_break) + targets - 1
    lengths = {read, targets, whole, STEPS // FUSION.series_encoder.patch}
    kept: dict[int, tuple[int, bool]] = {}
    held: list[torch.Tensor] = []  # so that no storage gets the number of another
    with FakeTensorMode():
        student = student_of(name, phase)
        weights = {p.untyped_storage()._cdata for p in student.parameters()}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in weights:
                kept[storage._cdata] = storage.nbytes(), tensor.dim() >= 3 and lengths.issuperset(tensor.shape[-2:])
            held.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), torch.autocast("cpu", torch.bfloat16):
            logits = student(**batch_of(phase, notes, targets, size))
    sums = [sum(n for n, is_score in kept.values() if is_score == wanted) for wanted in (False, True)]
    # The loss keeps its logits in fp32, and their gradient comes in fp32 and bf16.
    return np.array(sums) + np.array([logits.numel() * (4 + 4 + 2), 0])
