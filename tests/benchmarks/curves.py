"""Whether our trainer learns what the released loop learns: losses of 200 steps on the same samples in the same order.

The student is a stand-in of toy size without dropout. Our trainer is watched from outside; the re-enactment then starts
from the same weights and visits the samples of each recorded step with the recorded learning rate.
"""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from benchmarks.released import Recipe, Recorder, Step, Tokens, collate, optimizer_of, samples_of, train_on
from toy_student import FUSION, LAUNCH, OPTIMIZER, TEXTS, files, student, tokenizer, write_tables

from clinragen.config.train import Phase
from clinragen.model.inputs import read_samples
from clinragen.model.student import Student
from clinragen.registry.tokenizer import marks_of
from clinragen.train.job import Job
from clinragen.train.task import Writing
from clinragen.train.trainer import train_student

STEPS, BATCH, TRAINING = 200, 8, 64
CLIP, LEARNING_RATE, SMOOTHED_OVER = 1.0, 5e-4, 10
assert FUSION["attention"]["dropout"] == FUSION["series_encoder"]["dropout"] == 0


def toy(phase: int) -> Student:
    """A stand-in, always with the same weights."""
    made = student("notes" if phase == 1 else "both")
    return made.train()


def our_steps(directory: Path, phase: int, precision: str = "fp32", micro_batch_tokens: int = 100_000) -> list[Step]:
    """200 steps of our trainer, with the batches that it made and their losses."""
    sources = files(write_tables(directory / "tables", train=TRAINING))
    if phase == 1:
        sources = replace(sources, series=[])
    rows = {split: read_samples(sources, split) for split in ("train", "validation")}
    epochs = STEPS * BATCH // TRAINING
    job = Job(
        sources,
        Phase(learning_rate=LEARNING_RATE, epochs=epochs, patience=epochs),
        OPTIMIZER.model_copy(update={"batch": BATCH, "weight_decay": 0.0, "precision": precision}),
        LAUNCH.model_copy(update={"micro_batch_tokens": micro_batch_tokens}),
        seed=1,
        checkpoints=directory / "checkpoints",
        fingerprint="curves",
    )
    model = toy(phase)
    with Recorder(model, keep=True) as recorder:
        train_student(model, rows["train"], rows["validation"], Writing(tokenizer()), job).release()
    return recorder.steps


def released_losses(steps: list[Step], phase: int, padding_counts: bool) -> list[float]:
    """Losses of the released loop on the samples of these steps, all notes padded to the longest that is allowed."""
    recipe = Recipe(note_tokens=TEXTS.max_note_tokens, padding_counts=padding_counts)
    model = toy(phase)
    model.backbone.set_attn_implementation(recipe.attention)
    if model.encoder is not None:
        model.encoder.patchtst.set_attn_implementation(recipe.attention)
    optimizer, losses = optimizer_of(model, weight_decay=0.0), []
    for step in steps:
        optimizer.param_groups[0]["lr"] = step.learning_rate
        samples: list[Tokens] = list(chain.from_iterable(map(samples_of, step.batches)))
        batch = collate(samples, recipe, marks_of(tokenizer()).padding, torch.device("cpu"))
        losses.append(float(train_on(model, optimizer, batch, recipe, CLIP)))
    return losses


def smoothed(losses: list[float]) -> np.ndarray:
    """Means over 10 steps."""
    return np.convolve(losses, np.ones(SMOOTHED_OVER) / SMOOTHED_OVER, mode="valid")


def largest_difference(ours: list[float], theirs: list[float]) -> float:
    """Largest difference of the smoothed losses."""
    return float(np.abs(smoothed(ours) - smoothed(theirs)).max())
