"""Texts that a student writes."""

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
    """A text without special tokens, why it ends there, and how many tokens were written, its end mark included.

    It ends with the student's end mark, is `stopped` after the diagnoses, or cut at the `limit` of tokens.
    """

    text: str
    end: End
    tokens: int


# Takes what identifies a batch (its limit and its samples) and a function that decodes it; may return outputs that an
# earlier run kept.
Keep = Callable[[list[int], Callable[[], list[Output]]], list[Output]]


class DiagnosesWritten(StoppingCriteria):
    """Ends a text as soon as the marker after its disease section is whole."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> None:
        self._tokenizer = tokenizer
        # Markers end with a colon, so that only texts whose last token has one need to be read.
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self._colons = torch.tensor([i for i, piece in enumerate(pieces) if ":" in piece], device=device)

    def __call__(self, input_ids: Tensor, scores: object, **_: Any) -> Tensor:
        """Which of the texts [batch] are to end; token ids are [batch, length]."""
        ended = torch.isin(input_ids[:, -1], self._colons)
        for row in ended.nonzero().flatten().tolist():
            text = self._tokenizer.decode(input_ids[row], skip_special_tokens=True)
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
    """The student's output for each encoded sample, `size` at a time; never sampled.

    With `diagnoses_only` a text ends before the marker that follows its disease section: greedy search finds the same
    diagnoses as in the whole text. `advance` is called with the number done; `options` are those of `generate`.
    """
    limits = _limits(max_new_tokens, rising=diagnoses_only and num_beams == 1)
    # Like lengths together: less padding. The longest first: if memory does not suffice, it shows at once.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].get("input_ids", ())), reverse=True)
    collate = Collator(tokenizer, student.shape.steps if student.shape else None)
    device = next(student.parameters()).device
    stop = DiagnosesWritten(tokenizer, device) if diagnoses_only else None
    options |= {"num_beams": num_beams, "eos_token_id": tokenizer.eos_token_id, "do_sample": False}
    if stop:
        options["stopping_criteria"] = [stop]

    def write(chosen: list[int], limit: int) -> list[Output]:
        batch = {k: v.to(device) for k, v in collate([rows[i] for i in chosen]).items()}
        written = student.generate(batch, max_new_tokens=limit, **options).tolist()
        return [_output(ids, tokenizer, diagnoses_only) for ids in written]

    outputs: dict[int, Output] = {}
    for limit in limits:
        for chosen in (order[start : start + size] for start in range(0, len(order), size)):
            made = keep([limit, *chosen], partial(write, chosen, limit))
            ended = {i: o for i, o in zip(chosen, made, strict=True) if o.end != "limit" or limit == max_new_tokens}
            outputs |= ended
            advance(len(ended))
        order = [i for i in order if i not in outputs]
    return [outputs[i] for i in range(len(rows))]


def _limits(most: int, rising: bool) -> list[int]:
    """Limits of tokens, one after the other, each for the texts that have not ended within the one before.

    A batch takes as many steps as its longest text. Nearly all diagnoses are short; rising limits gather the few long
    ones, and those of a student that repeats itself without end, into batches of their own, which start again.
    """
    limits = [FIRST_LIMIT << n for n in range(most.bit_length())] if rising else []
    return [limit for limit in limits if limit < most] + [most]


def _output(ids: list[int], tokenizer: PreTrainedTokenizerBase, diagnoses_only: bool) -> Output:
    """The output in the token ids of a row, which is padded if others are longer."""
    text = tokenizer.decode(ids, skip_special_tokens=True)
    ended = tokenizer.eos_token_id in ids
    stopped = diagnoses_end(text) if diagnoses_only else None
    if stopped is not None:
        # The padding may be the end mark, but the limit is not: a stopped text has no end mark of its own.
        text, end, padding = text[:stopped].rstrip(), "stopped", {tokenizer.pad_token_id, tokenizer.eos_token_id}
        length = max(i for i, token in enumerate(ids) if token not in padding) + 1
    elif ended:
        end, length = "end_mark", ids.index(tokenizer.eos_token_id) + 1
    else:
        end, length = "limit", len(ids)
    return Output(text, end, length)
