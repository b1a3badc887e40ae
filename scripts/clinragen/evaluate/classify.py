"""Predictions of a trained classifier."""

from pathlib import Path

import pyarrow as pa
import torch

from clinragen.errors import UserError
from clinragen.model.classifier import ENCODER, Classifier, probabilities
from clinragen.model.device import prepare_device
from clinragen.model.inputs import Collator, Row
from clinragen.model.tokens import load_tokenizer
from clinragen.runtime.progress import Progress
from clinragen.schemas.predictions import PREDICTIONS, row_without_text


def classify(checkpoint: Path, samples: list[Row], device: str, precision: str, size: int) -> pa.Table:
    """Return the phenotypes of all samples with a probability above the classifier's threshold (PREDICTIONS)."""
    prepare_device(device, precision, "evaluate.decoding.device")
    classifier = Classifier.load(checkpoint).to(device).eval()
    steps = classifier.shape.steps if classifier.shape else None
    padding = load_tokenizer(checkpoint / ENCODER).pad_token_id if steps is None else 0
    half = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")
    try:
        with half, Progress("samples", len(samples)) as bar:
            chances = probabilities(classifier, samples, Collator(None, steps, padding), size, bar.advance)
    except torch.cuda.OutOfMemoryError:
        raise UserError("the GPU ran out of memory; lower evaluate.batch") from None
    named = (chances > classifier.threshold).tolist()
    rows = [
        row_without_text(
            sample["stay_id"],
            [name for name, yes in zip(classifier.phenotypes, answers, strict=True) if yes],
            sample["phenotypes"],
        )
        for sample, answers in zip(samples, named, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)
