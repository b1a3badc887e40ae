"""Decoding of the texts that a student writes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from clinragen.model.inputs import Collator, Row
from clinragen.model.student import Student
from clinragen.model.target_codec import diagnoses_end

End = Literal["end_mark", "stopped", "limit"]
FIRST_LIMIT = 64
"""Tokens within which most diagnoses end: a stay has four, which T5 writes in eight tokens each."""


@dataclass(frozen=True)
class Output:
    """A text without special tokens, the reason for its end, and the number of tokens, its end mark included.

    It ends with the student's end mark, is `stopped` after the diagnoses, or is cut at the `limit` of tokens.
    """

    text: str
    end: End
    tokens: int


# Takes the identity of a batch (its limit and its samples) and a function that decodes it; may return outputs that an
# earlier run kept.
Keep = Callable[[list[int], Callable[[], list[Output]]], list[Output]]


class DiagnosesWritten(StoppingCriteria):
    """Ends a text as soon as the marker after its disease section is complete."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> None:
        self._tokenizer = tokenizer
        # Markers end with a colon, so only texts whose last token has one need to be read.
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self._colons = torch.tensor([i for i, piece in enumerate(pieces) if ":" in piece], device=device)

    def __call__(self, input_ids: Tensor, scores: object, **_: Any) -> Tensor:
        """Return which of the texts [batch] are to end; token ids are [batch, length]."""
        ended = torch.isin(input_ids[:, -1], self._colons)
        for row in ended.nonzero().flatten().tolist():
            text = _text(input_ids[row].tolist(), self._tokenizer)
            ended[row] = diagnoses_end(text) is not None
        return ended


def decode(
    student: Student,
    rows: list[Row],
    tokenizer: PreTrainedTokenizerBase,
    size: int,
    advance: Callable[[int], None] = lambda done: None,
    keep: Keep = lambda batch, make: make(),
    *,
    max_new_tokens: int,
    num_beams: int = 1,
    diagnoses_only: bool = False,
    **options: Any,
) -> list[Output]:
    """Return the student's output for each encoded sample, `size` at a time, without sampling.

    With `diagnoses_only` a text ends before the marker that follows its disease section: greedy search finds the same
    diagnoses as in the whole text. `advance` is called with the number done; `options` are passed to `generate`.
    """
    limits = _limits(max_new_tokens, rising=diagnoses_only and num_beams == 1)
    # Similar lengths together, for less padding; the longest first, so that a lack of memory shows at once.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].get("input_ids", ())), reverse=True)
    collate = Collator(tokenizer, student.shape.steps if student.shape else None)
    device = next(student.parameters()).device
    stop = DiagnosesWritten(tokenizer, device) if diagnoses_only else None
    options |= {"num_beams": num_beams, "eos_token_id": tokenizer.eos_token_id, "do_sample": False}
    if stop:
        options["stopping_criteria"] = [stop]

    def write(samples: list[int], limit: int) -> list[Output]:
        batch = {k: v.to(device) for k, v in collate([rows[i] for i in samples]).items()}
        written = student.generate(batch, max_new_tokens=limit, **options).tolist()
        return [_output(ids, tokenizer, diagnoses_only) for ids in written]

    outputs: dict[int, Output] = {}
    for limit in limits:
        for samples in (order[start : start + size] for start in range(0, len(order), size)):
            batch = zip(samples, keep([limit, *samples], partial(write, samples, limit)), strict=True)
            ended = {i: output for i, output in batch if output.end != "limit" or limit == max_new_tokens}
            outputs |= ended
            advance(len(ended))
        order = [i for i in order if i not in outputs]
    return [outputs[i] for i in range(len(rows))]


def _limits(most: int, rising: bool) -> list[int]:
    """Return limits of tokens, each for the texts that have not ended within the one before.

    A batch takes as many steps as its longest text. Nearly all diagnoses are short; rising limits gather the few long
    ones, and those of a student that repeats itself without end, into separate batches, which start again.
    """
    limits = [FIRST_LIMIT << n for n in range(most.bit_length())] if rising else []
    return [limit for limit in limits if limit < most] + [most]


def _output(ids: list[int], tokenizer: PreTrainedTokenizerBase, diagnoses_only: bool) -> Output:
    """Return the output in the token ids of a row, which is padded if others are longer."""
    text, end_mark = _text(ids, tokenizer), tokenizer.eos_token_id
    stopped = diagnoses_end(text) if diagnoses_only else None
    if stopped is not None:
        # The padding may be the end mark, which a stopped text does not have itself.
        padding = {tokenizer.pad_token_id, end_mark}
        length = max(i for i, token in enumerate(ids) if token not in padding) + 1
        return Output(text[:stopped].rstrip(), "stopped", length)
    if end_mark in ids:
        return Output(text, "end_mark", ids.index(end_mark) + 1)
    return Output(text, "limit", len(ids))


def _text(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    """Decode the tokens of one text, special ones left out."""
    text = tokenizer.decode(ids, skip_special_tokens=True)
    assert isinstance(text, str)  # a list only for several texts
    return text
