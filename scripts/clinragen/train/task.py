"""The tasks of the trainer: the loss of outputs, and the phenotypes that they name."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clinragen.model.classifier import Classifier, Collate
from clinragen.model.decoding import Output, decode
from clinragen.model.inputs import Collator, Row
from clinragen.model.student import Student
from clinragen.model.target_codec import parse_output
from clinragen.train.loss import token_losses

ROOM_FOR_MARKER = 12
"""Tokens decoded beyond the longest diagnoses, so that the next section's marker is whole and ends them."""
Model = Student | Classifier
M = TypeVar("M", bound=Model)
M_contra = TypeVar("M_contra", bound=Model, contravariant=True)


class Task(Protocol[M_contra]):
    """What a model of one kind learns. Samples have `labels` and their `sections` [length]."""

    def collator(self, steps: int | None) -> Collate:
        """Return a function that makes a batch of samples; `steps` are those of a padded series, None without any."""

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss [batch, length] of each label, given the model's output; 0 where the label is padding."""

    def counts(
        self, model: M_contra, rows: list[Row], names: list[str], longest: int, size: int
    ) -> list[tuple[int, int]]:
        """Count phenotypes of `names`: pairs of those that are both named and true, and the sum of named and true ones.

        There is a pair for each way of reading the model, of which the trainer takes the best. `longest` is the number
        of tokens of the longest diagnoses of a target, `size` the number of samples that are read at once.
        """


@dataclass(frozen=True)
class Writing:
    """Write diagnoses and rationales, token by token."""

    tokenizer: PreTrainedTokenizerBase

    def collator(self, steps: int | None) -> Collate:
        """See Task."""
        return Collator(self.tokenizer, steps)

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of each token of the target."""
        return token_losses(outputs, labels)

    def counts(
        self, model: Student, rows: list[Row], names: list[str], longest: int, size: int
    ) -> list[tuple[int, int]]:
        """Return one pair, of the diagnoses that the student writes."""
        # No longer than a target: a language model may have no positions beyond.
        most = min(longest + ROOM_FOR_MARKER, model.texts.max_target_tokens)
        # Diagnoses that come last end with the text: there is no marker to stop at, and no short text to try first.
        first = all(row["sections"][0] == 0 for row in rows)
        written = decode(model, rows, self.tokenizer, size, max_new_tokens=most, diagnoses_only=first)
        return [count_hits(rows, written, names)]


def longest_diagnoses(rows: list[Row]) -> int:
    """Return the most tokens of a target up to the end of its diagnoses: all of it where the rationale comes first."""
    return max(int((row["sections"] == 0).nonzero()[0][-1]) + 1 for row in rows)


def count_hits(rows: list[Row], outputs: list[Output], phenotypes: list[str]) -> tuple[int, int]:
    """Count the phenotypes that are both written and true, and those that are written plus those that are true."""
    pairs = [
        (set(parse_output(output.text, phenotypes, cut=output.end == "limit").phenotypes), set(row["phenotypes"]))
        for row, output in zip(rows, outputs, strict=True)
    ]
    return sum(len(p & t) for p, t in pairs), sum(len(p) + len(t) for p, t in pairs)
