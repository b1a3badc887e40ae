"""What a trained student writes."""

from pathlib import Path

import pyarrow as pa
import torch

from clinragen.config.evaluate import Decoding
from clinragen.errors import UserError
from clinragen.model.device import require_device
from clinragen.model.inputs import Collator, Sample, encode, load_tokenizer
from clinragen.model.student import BACKBONE, Student
from clinragen.model.target_codec import parse_output
from clinragen.runtime.progress import Progress
from clinragen.schemas.evaluate import PREDICTIONS


def predict(
    checkpoint: Path, samples: list[Sample], phenotypes: list[str], decoding: Decoding, size: int
) -> pa.Table:
    """Outputs and parsed phenotypes of all samples, none left out (PREDICTIONS), `size` at a time."""
    device = decoding.device
    require_device(device, "evaluate.decoding.device")
    student = Student.load(checkpoint).to(device).eval()
    tokenizer = load_tokenizer(checkpoint / BACKBONE)
    encoded = encode(samples, tokenizer, student.texts)
    # Like lengths together: less padding, the same outputs.
    order = sorted(range(len(samples)), key=lambda i: len(encoded[i].get("input_ids", ())))
    collate = Collator(tokenizer, student.shape.steps if student.shape else None)
    texts: dict[int, str] = {}
    with Progress("samples decoded", len(order)) as bar:
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            batch = {k: v.to(device) for k, v in collate([encoded[i] for i in chosen]).items()}
            options = {"max_new_tokens": decoding.max_new_tokens, "num_beams": decoding.beams}
            try:
                ids = student.generate(batch, **options, do_sample=False)
            except torch.cuda.OutOfMemoryError:
                raise UserError("the memory of the GPU does not suffice: lower evaluate.batch") from None
            texts |= dict(zip(chosen, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True))
            bar.advance(len(chosen))
    rows = []
    for i, sample in enumerate(samples):
        parsed = parse_output(texts[i], phenotypes)
        rows.append(
            {
                "stay_id": sample.stay_id,
                "output": texts[i],
                "predicted": parsed.phenotypes,
                "unknown": parsed.unknown,
                "true": sample.phenotypes,
            }
        )
    return pa.Table.from_pylist(rows, schema=PREDICTIONS.schema)
