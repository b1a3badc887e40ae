"""Texts that any student writes, however random: for what depends on the length of outputs, not on their sense."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor


class Dictated(LogitsProcessor):
    """Lets the rows of each batch write these token ids, the first batch the first ones; T5's start token precedes."""

    def __init__(self, texts: Sequence[list[int]], beams: int = 1) -> None:
        self._texts, self._beams, self._first, self._size = texts, beams, 0, 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [rows, vocabulary] of which only the dictated token's is finite; the last token is repeated."""
        written = input_ids.shape[1] - 1
        if written == 0:
            self._first, self._size = self._first + self._size, len(input_ids) // self._beams
        rows = [self._texts[self._first + i // self._beams] for i in range(len(input_ids))]
        tokens = torch.tensor([row[min(written, len(row) - 1)] for row in rows], device=scores.device)
        dictated = torch.full_like(scores, -torch.inf)
        return dictated.scatter(1, tokens[:, None], scores.gather(1, tokens[:, None]))
