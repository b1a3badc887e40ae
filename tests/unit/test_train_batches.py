"""The order in which a training visits its samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.trainer_pt_utils import LengthGroupedSampler

from clinragen.train.batches import BATCHES_SORTED_TOGETHER, LengthGroupedBatches

LENGTHS = np.random.default_rng(0).integers(1, 500, 16 * BATCHES_SORTED_TOGETHER * 2 + 5).tolist()


def batches(order: list[int], size: int = 16) -> list[list[int]]:
    return [order[i : i + size] for i in range(0, len(order), size)]


def mean_lengths(order: list[int]) -> np.ndarray:
    """Mean length of the samples of each whole batch, in the order of the batches."""
    return np.array([np.mean([LENGTHS[i] for i in batch]) for batch in batches(order) if len(batch) == 16])


@given(st.lists(st.integers(1, 600), max_size=300), st.integers(1, 20), st.integers(0, 99), st.booleans())
def test_every_sample_comes_once_per_epoch_and_an_incomplete_batch_last(lengths, size, seed, shuffled):
    sampler = LengthGroupedBatches(lengths, size, seed, shuffled)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths))) and len(sampler) == len(lengths)
    assert order == list(LengthGroupedBatches(lengths, size, seed, shuffled))


@pytest.mark.parametrize("shuffled", [True, False])
def test_the_samples_of_a_batch_are_of_like_length(shuffled):
    order = list(LengthGroupedBatches(LENGTHS, 16, 1, shuffled))
    spread = [np.ptp([LENGTHS[i] for i in batch]) for batch in batches(order)[:-1]]
    assert np.mean(spread) < 20 < np.ptp(LENGTHS) / 2


def test_shuffled_batches_come_in_no_order_of_length_and_sorted_ones_as_transformers_sorts_them():
    steps = {}
    for shuffled in (True, False):
        steps[shuffled] = np.diff(mean_lengths(list(LengthGroupedBatches(LENGTHS, 16, 1, shuffled))))
    # Of transformers' sampler: from long to short, but where a group of batches ends.
    theirs = np.diff(mean_lengths(list(LengthGroupedSampler(16, lengths=LENGTHS))))
    assert (steps[False] > 0).sum() == 1 and (theirs > 0).sum() <= 3
    assert 0.3 < (steps[True] > 0).mean() < 0.7


def test_seed_and_epoch_give_another_order():
    sampler = LengthGroupedBatches(LENGTHS, 16, 1, True)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first != second
    assert list(LengthGroupedBatches(LENGTHS, 16, 2, True)) not in (first, second)
