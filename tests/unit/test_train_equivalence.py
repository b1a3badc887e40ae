"""Our trainer learns what the released loop learns from the same samples: its batches change the pace alone."""

from collections.abc import Callable
from functools import cache

import pytest
from benchmarks.curves import STEPS, largest_difference, our_steps, released_losses
from benchmarks.released import Step

MICRO_BATCH_TOKENS = {1: 300, 3: 100_000}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[int], list[Step]]:
    """Return the steps of a phase; in phase 1 batches are divided."""

    @cache
    def steps(phase: int) -> list[Step]:
        return our_steps(tmp_path_factory.mktemp("steps"), phase, micro_batch_tokens=MICRO_BATCH_TOKENS[phase])

    return steps


@pytest.mark.parametrize("phase", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_losses_of_200_steps_are_those_of_notes_padded_to_the_longest_allowed(trained, phase):
    steps = trained(phase)
    ours = [step.loss for step in steps]
    parts = {len(step.batches) for step in steps}
    assert len(steps) == STEPS and max(parts) == (2 if phase == 1 else 1) and ours[-1] < 0.2 * ours[0]
    assert largest_difference(ours, released_losses(steps, phase, padding_counts=False)) < 0.002


def test_a_loss_that_counts_padding_is_another(trained):
    steps = trained(1)
    ours = [step.loss for step in steps]
    assert largest_difference(ours, released_losses(steps, 1, padding_counts=True)) > 0.01
