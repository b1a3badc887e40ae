"""The order in which a training visits its samples, and how processes divide a batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.trainer_pt_utils import LengthGroupedSampler

from clinragen.train.batches import BATCHES_SORTED_TOGETHER, Sizes, batches_of_epoch, divide

LENGTHS = np.random.default_rng(0).integers(1, 500, 16 * BATCHES_SORTED_TOGETHER * 2 + 5).tolist()


def mean_lengths(batches: list[list[int]]) -> np.ndarray:
    """Mean length of the samples of each whole batch, in the order of the batches."""
    return np.array([np.mean([LENGTHS[i] for i in batch]) for batch in batches if len(batch) == 16])


@given(st.lists(st.integers(1, 600), max_size=300), st.integers(1, 20), st.integers(0, 99), st.booleans())
def test_every_sample_comes_once_per_epoch_and_an_incomplete_batch_last(lengths, size, seed, shuffled):
    batches = batches_of_epoch(lengths, size, seed, 0, shuffled)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == size for batch in batches[:-1])
    assert batches == batches_of_epoch(lengths, size, seed, 0, shuffled)


@pytest.mark.parametrize("shuffled", [True, False])
def test_the_samples_of_a_batch_are_of_like_length(shuffled):
    batches = batches_of_epoch(LENGTHS, 16, 1, 0, shuffled)
    spread = [np.ptp([LENGTHS[i] for i in batch]) for batch in batches[:-1]]
    assert np.mean(spread) < 20 < np.ptp(LENGTHS) / 2


def test_shuffled_batches_come_in_no_order_of_length_and_sorted_ones_as_transformers_sorts_them():
    steps = {}
    for shuffled in (True, False):
        steps[shuffled] = np.diff(mean_lengths(batches_of_epoch(LENGTHS, 16, 1, 0, shuffled)))
    # Of transformers' sampler: from long to short, but where a group of batches ends.
    order = list(LengthGroupedSampler(16, lengths=LENGTHS))
    theirs = np.diff(mean_lengths([order[i : i + 16] for i in range(0, len(order), 16)]))
    assert (steps[False] > 0).sum() == 1 and (theirs > 0).sum() <= 3
    assert 0.3 < (steps[True] > 0).mean() < 0.7


def test_seed_and_epoch_give_another_order():
    first, second, other = (
        batches_of_epoch(LENGTHS, 16, seed, epoch, True) for seed, epoch in ((1, 0), (1, 1), (2, 0))
    )
    assert first != second != other != first


samples = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), min_size=1, max_size=40)


@given(samples, st.integers(1, 5), st.integers(1, 2000), st.integers(0, 17))
def test_every_process_takes_equally_many_micro_batches_that_hold_the_tokens(pairs, processes, most, lab_tokens):
    rows = [{"input_ids": [0] * note, "labels": [0] * target} for note, target in pairs]
    sizes = Sizes(rows, lab_tokens)
    batch = sorted(range(len(rows)), key=lambda i: -sum(pairs[i]))
    divided = divide(batch, sizes, processes, most)
    assert len(divided) == processes and len({len(parts) for parts in divided}) == 1
    assert sorted(i for parts in divided for part in parts for i in part) == list(range(len(rows)))
    for part in (part for parts in divided for part in parts if part):
        notes, targets = zip(*(pairs[i] for i in part), strict=True)
        assert sizes.padded(part) == len(part) * (max(notes) + lab_tokens + max(targets))
        assert sizes.padded(part) <= most or len(part) == 1
    # As few as possible: one less would not do.
    count, share = len(divided[0]), [batch[rank::processes] for rank in range(processes)]
    if count > 1:
        fewer = [part for own in share for part in np.array_split(np.array(own, dtype=int), count - 1)]
        assert any(sizes.padded(part) > most for part in fewer)
    # The first process has most samples, so that it never waits without work: batch norm counts its samples.
    assert all(divided[0])
