"""The order in which a training visits its samples, and the micro-batches in which processes take each batch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from clinragen.model.backbone import IGNORED
from clinragen.model.inputs import Row

BATCHES_SORTED_TOGETHER = 50
MicroBatches = list[list[int]]


def batches_of_epoch(lengths: Sequence[int], size: int, seed: int, epoch: int, shuffled: bool) -> list[list[int]]:
    """Divide samples into batches of similar length, which saves padding; an incomplete batch is last.

    Groups of 50 batches, drawn at random, are sorted by length, as in transformers' LengthGroupedSampler. That class
    then visits each group from its longest batch to its shortest. Length correlates with the number of phenotypes, so
    the gradient drifts with it; in trials on planted evidence an initially random language model then did not learn
    the labs. With `shuffled` the batches are visited in random order instead.

    The batches depend on the arguments alone: a resumed training and all its processes agree on them.
    """
    random = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    drawn = torch.randperm(len(lengths), generator=random).tolist()
    batches: list[list[int]] = []
    for start in range(0, len(drawn), BATCHES_SORTED_TOGETHER * size):
        group = drawn[start : start + BATCHES_SORTED_TOGETHER * size]
        group.sort(key=lambda sample: lengths[sample], reverse=True)
        batches += [group[i : i + size] for i in range(0, len(group), size)]
    if shuffled:
        whole = len(lengths) // size
        order = torch.randperm(whole, generator=random).tolist()
        batches = [batches[i] for i in order] + batches[whole:]
    return batches


class Sizes:
    """Number of tokens of each sample, which determines the padded size of a micro-batch."""

    def __init__(self, rows: list[Row], lab_tokens: int) -> None:
        """Take the samples, and the number of lab tokens that each has in addition to its texts."""
        texts = [len(row.get("input_ids", ())) + len(row.get("caption_ids", ())) for row in rows]
        self.prompts = np.array(texts) + lab_tokens
        self.targets = np.array([len(row["labels"]) for row in rows])

    def padded(self, samples: Sequence[int]) -> int:
        """Count the tokens of a micro-batch that is padded to its longest prompt and its longest target."""
        indices = np.asarray(samples, dtype=int)
        return len(indices) * int(self.prompts[indices].max() + self.targets[indices].max()) if len(indices) else 0


def divide(batch: list[int], sizes: Sizes, processes: int, most_tokens: int) -> list[MicroBatches]:
    """Divide a batch into micro-batches per process: the fewest of at most `most_tokens` each, equally many for all.

    A process takes every `processes`-th sample of the batch, which is sorted by length, in that order. A sample that
    exceeds the limit by itself is a micro-batch; with fewer samples than micro-batches, some are empty.
    """
    shares = [batch[rank::processes] for rank in range(processes)]
    for count in range(1, len(shares[0]) + 1):
        divided = [[part.tolist() for part in np.array_split(np.array(share, dtype=int), count)] for share in shares]
        if all(sizes.padded(part) <= most_tokens for parts in divided for part in parts):
            break
    return divided


class Steps(Dataset):
    """The optimizer steps of an epoch, each as the collated micro-batches of one process."""

    def __init__(
        self,
        rows: list[Row],
        sizes: Sizes,
        collate: Callable[[list[Row]], dict[str, Tensor]],
        *,
        batch: int,
        seed: int,
        shuffled: bool,
        most_tokens: int,
        process: int,
        processes: int,
    ) -> None:
        self.rows, self.sizes, self.collate = rows, sizes, collate
        self.batch, self.seed, self.shuffled = batch, seed, shuffled
        self.most_tokens, self.process, self.processes = most_tokens, process, processes
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Select the steps of an epoch, counted from 0."""
        lengths = [row["length"] for row in self.rows]
        self.batches = batches_of_epoch(lengths, self.batch, self.seed, epoch, self.shuffled)

    def largest(self) -> list[list[int]]:
        """Return the micro-batches that may need the most memory.

        They are the ones with the most tokens, with the most samples (each has a series of the same size), and with the
        most positions of targets (each has a logit for every token of the vocabulary), among all in an epoch and those
        of batches of the longest samples and of the longest targets.
        """
        orders = (self.sizes.prompts + self.sizes.targets, self.sizes.targets)
        longest = [np.argsort(-size, kind="stable")[: self.batch].tolist() for size in orders]
        divided = (divide(b, self.sizes, self.processes, self.most_tokens) for b in [*self.batches, *longest])
        parts = [part for of_processes in divided for own in of_processes for part in own if part]
        measures = (self.sizes.padded, len, lambda part: len(part) * int(self.sizes.targets[part].max()))
        return [max(parts, key=measure) for measure in measures]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> list[dict[str, Tensor]]:
        batch = self.batches[step]
        parts = divide(batch, self.sizes, self.processes, self.most_tokens)[self.process]
        return [self.collated(part) if part else self._nothing(batch[-1]) for part in parts]

    def collated(self, samples: list[int]) -> dict[str, Tensor]:
        """Return a micro-batch of these samples."""
        return self.collate([self.rows[i] for i in samples])

    def _nothing(self, sample: int) -> dict[str, Tensor]:
        """Return a micro-batch without target tokens, for a process that has nothing to do but must take part."""
        batch = self.collated([sample])
        return batch | {"labels": torch.full_like(batch["labels"], IGNORED)}


class StepLoader(DataLoader):
    """Loads steps one by one, as the Trainer expects batches."""

    def __init__(self, steps: Steps, pin_memory: bool) -> None:
        super().__init__(steps, batch_size=None, pin_memory=pin_memory)
        self._steps = steps

    def set_epoch(self, epoch: int) -> None:
        """Select the steps of an epoch; the Trainer calls this."""
        self._steps.set_epoch(epoch)
