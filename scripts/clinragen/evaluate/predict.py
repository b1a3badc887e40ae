"""Outputs of a trained student."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from clinragen.config.evaluate import Decoding
from clinragen.errors import UserError
from clinragen.model.decoding import Keep, decode
from clinragen.model.device import prepare_device
from clinragen.model.inputs import Row, with_room_for_captions
from clinragen.model.student import BACKBONE, Student
from clinragen.model.target_codec import parse_output
from clinragen.model.tokens import load_tokenizer
from clinragen.registry.tokenizer import marks_of
from clinragen.runtime.progress import Progress
from clinragen.schemas.predictions import PREDICTIONS


def predict(
    checkpoint: Path,
    samples: list[Row],
    phenotypes: list[str],
    decoding: Decoding,
    size: int,
    keep: Keep = lambda batch, make: make(),
    base: Path | None = None,
) -> pa.Table:
    """Return outputs and parsed phenotypes of all samples (PREDICTIONS), decoded `size` at a time.

    `keep` may return a batch that an earlier run decoded. `base` is the language model of a checkpoint that has only
    adapters.
    """
    prepare_device(decoding.device, decoding.precision, "evaluate.decoding.device")
    student = Student.load(checkpoint, base=base).to(decoding.device).eval()
    tokenizer = load_tokenizer(checkpoint / BACKBONE)
    samples = with_room_for_captions(samples, student.texts.max_note_tokens, marks_of(tokenizer).end)
    options: dict[str, Any] = {"max_new_tokens": decoding.max_new_tokens, "num_beams": decoding.beams}
    options["diagnoses_only"] = decoding.write == "diagnoses"
    half = torch.autocast(decoding.device, torch.bfloat16, enabled=decoding.precision == "bf16")
    try:
        with half, Progress("samples decoded", len(samples)) as bar:
            outputs = decode(student, samples, tokenizer, size, bar.advance, keep, **options)
    except torch.cuda.OutOfMemoryError:
        raise UserError(
            "the GPU ran out of memory; lower evaluate.batch, or `batch` of the model's row in backbones"
        ) from None
    rows = []
    for sample, output in zip(samples, outputs, strict=True):
        parsed = parse_output(output.text, phenotypes, cut=output.end == "limit")
        rows.append(
            {
                "stay_id": sample["stay_id"],
                "output": output.text,
                "end": output.end,
                "tokens": output.tokens,
                "predicted": parsed.phenotypes,
                "unknown": parsed.unknown,
                "readable": parsed.readable,
                "note_rationale": parsed.note_rationale,
                "lab_rationale": parsed.lab_rationale,
                "status": "good",
                "problems": None,
                "requests": [],
                "true": sample["phenotypes"],
            }
        )
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)
