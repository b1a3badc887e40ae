"""A re-enactment of the released training loop, and a recorder that sees from outside what a trainer does.

Written from what is known of the released code: every note is padded to 1,600 tokens, targets to the longest of the
batch, with padding as part of the loss; fp32, eager attention, samples in random order, AdamW with decay on all
weights. Each of these can be exchanged for what this repository does, one at a time.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torch.optim.optimizer import register_optimizer_step_post_hook

from clinragen.model.backbone import IGNORED
from clinragen.model.student import Student


@dataclass(frozen=True)
class Recipe:
    """How a loop makes its batches and computes them; the defaults are those of the released code."""

    note_tokens: int | None = 1600
    """Length to which notes are padded; None: that of the longest in the batch."""
    grouped: bool = False
    """Whether samples of like length share a batch."""
    attention: str = "eager"
    half: bool = False
    """Whether products are computed in bf16."""
    padding_counts: bool = True
    """Whether the loss is a mean over targets and their padding, or over targets alone."""


RELEASED = Recipe()


@dataclass(frozen=True)
class Tokens:
    """One sample: tokens of note and target, series [steps, channels] as padded already; None if not read."""

    note: Sequence[int] | None
    target: Sequence[int]
    series: np.ndarray | None = None
    steps: int = 0

    def __len__(self) -> int:
        return (0 if self.note is None else len(self.note)) + len(self.target)


def batches(samples: list[Tokens], size: int, grouped: bool, seed: int) -> list[list[Tokens]]:
    """All samples in random order, in batches; with `grouped`, of like length and in random order themselves."""
    order = random.Random(seed).sample(samples, len(samples))
    if grouped:
        order.sort(key=len)
    made = [order[i : i + size] for i in range(0, len(order), size)]
    return random.Random(seed).sample(made, len(made)) if grouped else made


def collate(samples: Sequence[Tokens], recipe: Recipe, padding: int, device: torch.device) -> dict[str, Tensor]:
    """The batch of a student; labels are padded with the padding token, as if it were a part of the targets."""
    targets = [torch.as_tensor(s.target) for s in samples]
    batch = {"labels": pad_sequence(targets, batch_first=True, padding_value=padding)}
    batch["counts"] = pad_sequence([torch.ones_like(t) for t in targets], batch_first=True)
    if samples[0].note is not None:
        notes = [torch.as_tensor(s.note) for s in samples]
        ids = pad_sequence(notes, batch_first=True, padding_value=padding)
        mask = pad_sequence([torch.ones_like(n) for n in notes], batch_first=True)
        missing = max(0, (recipe.note_tokens or 0) - ids.shape[1])
        batch["input_ids"] = functional.pad(ids, (0, missing), value=padding)
        batch["attention_mask"] = functional.pad(mask, (0, missing))
    if samples[0].series is not None:
        batch["series"] = torch.from_numpy(np.stack([s.series for s in samples]))
        batch["steps"] = torch.tensor([s.steps for s in samples])
    return {name: tensor.to(device) for name, tensor in batch.items()}


def optimizer_of(student: Student, learning_rate: float = 2e-5, weight_decay: float = 0.05) -> torch.optim.AdamW:
    """AdamW with the released settings; on a GPU not fused."""
    trained = [p for p in student.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, learning_rate, eps=1e-8, weight_decay=weight_decay)


def train_on(
    student: Student,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, Tensor],
    recipe: Recipe,
    clip: float | None = None,
) -> Tensor:
    """One step of the loop; returns the mean loss [] of a token of the targets, padding never counted."""
    batch = dict(batch)
    counts, labels = batch.pop("counts"), batch["labels"]
    with torch.autocast(labels.device.type, torch.bfloat16, enabled=recipe.half):
        logits = student(**batch)
    losses = functional.cross_entropy(logits.float().transpose(1, 2), labels, reduction="none")
    on_targets = (losses * counts).sum() / counts.sum()
    (losses.mean() if recipe.padding_counts else on_targets).backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(student.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()
    return on_targets.detach()


def samples_per_second(
    student: Student, samples: list[Tokens], size: int, recipe: Recipe, padding: int, most: int | None = None
) -> float:
    """Pace of one pass over the samples, or over `most` batches of it; on a GPU after three steps that do not count."""
    device = next(student.parameters()).device
    optimizer = optimizer_of(student)
    chosen = batches(samples, size, recipe.grouped, 0)[:most]
    if device.type == "cuda":
        for batch in chosen[:3]:
            train_on(student, optimizer, collate(batch, recipe, padding, device), recipe)
    started = now(device)
    for batch in chosen:
        train_on(student, optimizer, collate(batch, recipe, padding, device), recipe)
    return sum(map(len, chosen)) / (now(device) - started)


def now(device: torch.device) -> float:
    """Time in s, once a GPU has done its work; on a CPU that of the processor, which other work does not lengthen."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.monotonic()


@dataclass
class Step:
    """One step of an optimizer: when it began and ended, its micro-batches, their logits' losses, its rate."""

    started: float
    ended: float = 0.0
    samples: int = 0
    loss: float = 0.0
    learning_rate: float = 0.0
    batches: list[dict[str, Tensor]] = field(default_factory=list)


class Recorder:
    """Steps of any trainer that calls the student and steps an optimizer; it knows nothing else of the trainer.

    With `keep`, batches and the mean loss of a target token are kept too.
    """

    def __init__(self, student: Student, keep: bool = False) -> None:
        self.student, self.keep = student, keep
        self.steps: list[Step] = []
        self._open: Step | None = None
        self._sums = [0.0, 0.0]

    def __enter__(self) -> "Recorder":
        self._handles = [
            self.student.register_forward_pre_hook(self._begin, with_kwargs=True),
            self.student.register_forward_hook(self._look, with_kwargs=True),
            register_optimizer_step_post_hook(self._end),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, student: Student, _: tuple, batch: dict[str, Any]) -> None:
        if student.training:
            self._open = self._open or Step(now(batch["labels"].device))
            self._open.samples += len(batch["labels"])

    def _look(self, student: Student, _: tuple, batch: dict[str, Any], logits: Tensor) -> None:
        if student.training and self.keep:
            self._open.batches.append({name: tensor.clone() for name, tensor in batch.items()})
            labels = batch["labels"]
            losses = functional.cross_entropy(logits.detach().float().transpose(1, 2), labels, reduction="sum")
            self._sums = [self._sums[0] + float(losses), self._sums[1] + int((labels != IGNORED).sum())]

    def _end(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        step, self._open = self._open, None
        step.ended, step.learning_rate = now(next(self.student.parameters()).device), optimizer.param_groups[0]["lr"]
        if self.keep:
            step.loss, self._sums = self._sums[0] / self._sums[1], [0.0, 0.0]
        self.steps.append(step)

    def samples_per_second(self, epochs: int) -> float:
        """Pace of the last of the epochs: from the begin of its first step to the end of its last."""
        last = self.steps[-(len(self.steps) // epochs) :]
        return sum(step.samples for step in last) / (last[-1].ended - last[0].started)


def samples_of(batch: dict[str, Tensor]) -> Iterator[Tokens]:
    """The samples of a recorded batch, without their padding."""
    for i, labels in enumerate(batch["labels"].cpu()):
        note = batch["input_ids"][i][batch["attention_mask"][i].bool()].tolist() if "input_ids" in batch else None
        series, steps = (batch["series"][i].cpu().numpy(), int(batch["steps"][i])) if "series" in batch else (None, 0)
        yield Tokens(note, labels[labels != IGNORED].tolist(), series, steps)
