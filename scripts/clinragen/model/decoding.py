"""Texts that a student writes."""

from collections.abc import Callable
from typing import Any

from transformers import PreTrainedTokenizerBase

from clinragen.model.inputs import Collator
from clinragen.model.student import Student


def decode(
    student: Student,
    rows: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    size: int,
    advance: Callable[[int], None] = lambda done: None,
    **options: Any,
) -> list[str]:
    """The student's output for each encoded sample, `size` at a time, which changes no output; never sampled.

    `advance` is called with the number done; `options` are those of `generate`.
    """
    # Like lengths together: less padding.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].get("input_ids", ())))
    collate = Collator(tokenizer, student.shape.steps if student.shape else None)
    device = next(student.parameters()).device
    texts = [""] * len(rows)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = {k: v.to(device) for k, v in collate([rows[i] for i in chosen]).items()}
        ids = student.generate(batch, **options, do_sample=False)
        for i, text in zip(chosen, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
            texts[i] = text
        advance(len(chosen))
    return texts
