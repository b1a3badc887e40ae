"""What the one trainer asks of what it trains: how wrong outputs are, and which phenotypes they name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from clinragen.model.decoding import decode
from clinragen.model.inputs import Collator, Row
from clinragen.model.student import Student
from clinragen.model.target_codec import parse_output
from clinragen.train.loss import token_losses

ROOM_FOR_MARKER = 12
"""Tokens decoded beyond the longest diagnoses, so that the next section's marker is whole and ends them."""
Collate = Callable[[list[Row]], dict[str, Tensor]]


class Task(Protocol):
    """Samples have `labels` and their `sections` [length], and the model takes them as `labels` with its inputs."""

    def collator(self, steps: int | None) -> Collate:
        """What makes a batch of samples; `steps` are those of a padded series, None where none are read."""

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Loss [batch, length] of each label, given what the model returns; 0 where the label is padding."""

    def counts(
        self, model: nn.Module, rows: list[Row], names: list[str], longest: int, size: int
    ) -> list[tuple[int, int]]:
        """Phenotypes that are both named and true, and the number of both together, in samples of `names`.

        There is a pair for each way of reading the model, of which the trainer takes the best; `longest` are the most
        tokens of the diagnoses of a target, `size` the samples that are read at once.
        """


@dataclass(frozen=True)
class Writing:
    """To write diagnoses and rationales, token by token."""

    tokenizer: PreTrainedTokenizerBase

    def collator(self, steps: int | None) -> Collate:
        """See Task."""
        return Collator(self.tokenizer, steps)

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of each token of the target."""
        return token_losses(outputs, labels)

    def counts(
        self, model: Student, rows: list[Row], names: list[str], longest: int, size: int
    ) -> list[tuple[int, int]]:
        """One pair, of the diagnoses that the student writes."""
        # No more than a target: a language model may have no positions beyond.
        most = min(longest + ROOM_FOR_MARKER, model.texts.max_target_tokens)
        # Diagnoses that come last end with the text: nothing to stop at, and no short text to try first.
        first = all(row["sections"][0] == 0 for row in rows)
        written = decode(model, rows, self.tokenizer, size, max_new_tokens=most, diagnoses_only=first)
        return [count_hits(rows, [output.text for output in written], names)]


def longest_diagnoses(rows: list[Row]) -> int:
    """Most tokens of a target up to the end of its diagnoses, which are all of it where the rationale comes first."""
    return max(int((row["sections"] == 0).nonzero()[0][-1]) + 1 for row in rows)


def count_hits(rows: list[Row], outputs: list[str], phenotypes: list[str]) -> tuple[int, int]:
    """Phenotypes that are both written and true, and the number of both together."""
    pairs = [
        (set(parse_output(text, phenotypes).phenotypes), set(row["phenotypes"]))
        for row, text in zip(rows, outputs, strict=True)
    ]
    return sum(len(p & t) for p, t in pairs), sum(len(p) + len(t) for p, t in pairs)
