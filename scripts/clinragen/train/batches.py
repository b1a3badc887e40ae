"""The order in which a training visits its samples: batches of like length, in random order."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

BATCHES_SORTED_TOGETHER = 50


class LengthGroupedBatches(Sampler[int]):
    """Order of samples such that each batch holds samples of like length, which saves padding.

    Groups of 50 batches, drawn at random, are sorted by length, as in transformers' LengthGroupedSampler. That class
    then visits each group from its longest batch to its shortest. Length goes with the number of phenotypes, so the
    gradient drifts along with it; in trials on planted evidence a language model that was random at first did then not
    learn the labs. With `shuffled` the batches are visited in random order instead; an incomplete one stays last.

    The order is a function of lengths, seed and epoch alone: a resumed training and all its processes agree on it.
    """

    def __init__(self, lengths: Sequence[int], size: int, seed: int, shuffled: bool) -> None:
        """Take lengths in tokens, and the samples of one optimizer step over all processes."""
        self.lengths, self.size, self.seed, self.shuffled = lengths, size, seed, shuffled
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Select the order of an epoch, counted from 0; the Trainer calls this."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        drawn = torch.randperm(len(self.lengths), generator=random).tolist()
        batches: list[list[int]] = []
        for start in range(0, len(drawn), BATCHES_SORTED_TOGETHER * self.size):
            group = drawn[start : start + BATCHES_SORTED_TOGETHER * self.size]
            group.sort(key=lambda sample: self.lengths[sample], reverse=True)
            batches += [group[i : i + self.size] for i in range(0, len(group), self.size)]
        if self.shuffled:
            whole = len(self.lengths) // self.size
            order = torch.randperm(whole, generator=random).tolist()
            batches = [batches[i] for i in order] + batches[whole:]
        for batch in batches:
            yield from batch
