"""FLOP and memory that docs/performance.md states of a training step."""

import pytest
import torch
from benchmarks.released import RELEASED, Tokens, batches, collate
from benchmarks.shapes import by_formula, flops, memory
from transformers import T5Config
from unit.test_model_sizes import FLAN, SHAPES


@pytest.fixture
def toy(monkeypatch) -> str:
    """The name of a small shape."""
    shape = T5Config(**FLAN, d_model=32, d_ff=48, num_layers=2, num_heads=2)
    monkeypatch.setitem(SHAPES, "toy", shape)
    yield "toy"
    flops.cache_clear()


def test_counted_flop_are_those_of_the_formula(toy):
    counted = flops(toy, 1)
    for notes, targets in ((700, 245), (1600, 500)):
        assert counted(notes, targets) == pytest.approx(by_formula(toy, notes, targets), rel=1e-6)


@pytest.mark.slow
def test_a_frozen_language_model_saves_the_gradients_of_its_weights(toy):
    """Phase 2 reads no notes, and phase 3 does the work of both."""
    labs, both, notes = (flops(toy, phase) for phase in (2, 3, 1))
    assert labs(0, 245) == pytest.approx(labs(1600, 245))
    assert both(700, 245) > notes(700, 245) + 50e9


def test_activations_grow_with_the_texts_and_eager_attention_keeps_more(toy):
    short, long = (memory(toy, 1, notes, 250) for notes in (400, 1600))
    assert 0 < short.fixed <= long.fixed and short.fused < long.fused < long.eager
    assert long.most_samples(80, fused=True) > long.most_samples(80, fused=False)


def test_the_released_batch_is_padded_to_1600_tokens_and_counts_the_padding_of_targets():
    samples = [Tokens([5] * 7, [6, 1]), Tokens([5] * 2000, [6, 6, 6, 1])]
    batch = collate(samples[:1] * 2, RELEASED, 0, torch.device("cpu"))
    assert batch["input_ids"].shape == (2, 1600) and batch["attention_mask"].sum() == 14
    batch = collate([samples[0], Tokens([5], [6, 6, 6, 1])], RELEASED, 0, torch.device("cpu"))
    assert batch["labels"].tolist() == [[6, 1, 0, 0], [6, 6, 6, 1]] and batch["counts"].sum() == 6


def test_batches_hold_every_sample_once():
    samples = [Tokens([1] * n, [1]) for n in range(1, 14)]
    for grouped in (False, True):
        made = batches(samples, 4, grouped, 0)
        assert sorted(len(s) for batch in made for s in batch) == [n + 1 for n in range(1, 14)]
    assert all(max(map(len, b)) - min(map(len, b)) <= 3 for b in batches(samples, 4, True, 0))
