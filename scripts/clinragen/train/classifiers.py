"""Training of the classifiers beyond the paper: a sigmoid for each phenotype, binary cross-entropy."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clinragen.config.classifiers import Reader
from clinragen.model.backbone import IGNORED
from clinragen.model.classifier import Classifier, Collate, build_classifier, probabilities
from clinragen.model.device import own_device
from clinragen.model.inputs import Collator, Row, channels_of, length_of, read_samples
from clinragen.model.student import Shape
from clinragen.model.tokens import load_tokenizer
from clinragen.processes import main_process
from clinragen.train.job import Job
from clinragen.train.trainer import Training, finish, log_counts, train_student

log = logging.getLogger("train")
THRESHOLDS = tuple(n / 100 for n in range(1, 100))
"""Candidates for the probability above which a phenotype counts as named; the validation split selects one."""
READ_TOGETHER = 64


@dataclass(frozen=True)
class Classifying:
    """Predict the probability of each phenotype; a sample has a label of 0 or 1 for each of them (`with_answers`)."""

    padding: int = 0

    def collator(self, steps: int | None) -> Collate:
        """See Task."""
        return Collator(None, steps, self.padding)

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the binary cross-entropy [batch, phenotypes]; 0 where the label is padding."""
        known = labels != IGNORED
        losses = functional.binary_cross_entropy_with_logits(outputs, labels.clamp(min=0).float(), reduction="none")
        return losses * known

    def counts(
        self, model: Classifier, rows: list[Row], names: list[str], longest: int, size: int
    ) -> list[tuple[int, int]]:
        """Return a pair for each of THRESHOLDS."""
        collate = self.collator(model.shape.steps if model.shape else None)
        return count_hits(probabilities(model, rows, collate, size), rows)


def train_classifier(
    job: Job, reader: Reader, encoder: Path | None, phenotypes: list[str], directory: Path
) -> Training:
    """Train a classifier of the series, or of the tokens of a text encoder, which is trained with it.

    One threshold for all phenotypes is selected for the highest micro F1 on the validation split.
    """
    # New weights depend on the seed, not only the order of the samples.
    torch.manual_seed(job.seed)
    shape = Shape(channels_of(job.files.series), reader.steps) if reader.steps else None
    classifier = build_classifier(reader, shape, encoder, phenotypes)
    tokenizer = load_tokenizer(encoder) if encoder else None
    task = Classifying(tokenizer.pad_token_id if tokenizer else 0)
    rows = {
        split: [with_answers(row, phenotypes) for row in read_samples(job.files, split)]
        for split in ("train", "validation")
    }
    counts = {split: _counts(samples) for split, samples in rows.items()}
    log_counts(counts)
    log.info("parameters: %s", classifier.parameter_counts())
    training = train_student(classifier, rows["train"], rows["validation"], task, job)
    if main_process():
        classifier.threshold = best_threshold(classifier, rows["validation"], task, own_device(job.launch.device))
        log.info("a phenotype is named above a probability of %.2f", classifier.threshold)
    finish(partial(classifier.save, tokenizer=tokenizer), counts, training, directory)
    return training


def with_answers(row: Row, phenotypes: list[str]) -> Row:
    """Return the sample with a label of 0 or 1 for each phenotype; they belong to the section of the diagnoses."""
    labels = np.array([name in row["phenotypes"] for name in phenotypes], dtype=np.int8)
    row = row | {"labels": labels, "sections": np.zeros_like(labels)}
    return row | {"length": length_of(row)}


def best_threshold(classifier: Classifier, rows: list[Row], task: Classifying, device: torch.device) -> float:
    """Return the middle one of the THRESHOLDS with the highest micro F1."""
    pairs = task.counts(classifier.to(device).eval(), rows, [], 0, READ_TOGETHER)
    scores = [2 * hits / named if named else 0.0 for hits, named in pairs]
    best = [threshold for threshold, score in zip(THRESHOLDS, scores, strict=True) if score == max(scores)]
    return best[len(best) // 2]


def count_hits(chances: Tensor, rows: list[Row]) -> list[tuple[int, int]]:
    """Count for each threshold, given probabilities [samples, phenotypes], what `Task.counts` does."""
    # Of two processes, one may have no samples.
    true = torch.tensor(np.array([row["labels"] for row in rows]), dtype=torch.bool).reshape(chances.shape)
    named = [chances > threshold for threshold in THRESHOLDS]
    return [(int((chosen & true).sum()), int(chosen.sum() + true.sum())) for chosen in named]


def _counts(rows: list[Row]) -> dict[str, int]:
    return {"samples": len(rows), "notes cut": sum(row.get("note_cut", False) for row in rows)}
