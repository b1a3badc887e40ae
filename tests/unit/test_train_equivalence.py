"""Our trainer learns what the released loop learns from the same samples: its batches change the pace alone."""

import pytest
from benchmarks.curves import STEPS, largest_difference, our_steps, released_losses


@pytest.mark.parametrize(("phase", "most_tokens"), [(1, 300), pytest.param(3, 100_000, marks=pytest.mark.slow)])
def test_losses_of_200_steps_are_those_of_notes_padded_to_the_longest_allowed(tmp_path, phase, most_tokens):
    steps = our_steps(tmp_path, phase, micro_batch_tokens=most_tokens)
    ours = [step.loss for step in steps]
    parts = {len(step.batches) for step in steps}
    assert len(steps) == STEPS and max(parts) == (2 if most_tokens < 1000 else 1) and ours[-1] < 0.2 * ours[0]
    assert largest_difference(ours, released_losses(steps, phase, padding_counts=False)) < 0.002


def test_a_loss_that_counts_padding_is_another(tmp_path):
    steps = our_steps(tmp_path, 1)
    ours = [step.loss for step in steps]
    assert largest_difference(ours, released_losses(steps, 1, padding_counts=True)) > 0.01
