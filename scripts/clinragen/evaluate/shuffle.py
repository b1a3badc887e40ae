"""Test samples that have a part of another one: what is found then was not read from that part."""

from typing import Literal

import numpy as np

from clinragen.model.inputs import Row


def exchange(samples: list[Row], part: Literal["series", "input_ids"], seed: int) -> list[Row]:
    """The samples, each with the series or the note of another one, where they have any; all else stays."""
    if not samples or part not in samples[0]:
        return samples
    order = np.random.default_rng(seed).permutation(len(samples))
    other = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return [sample | {part: samples[other[i]][part]} for i, sample in enumerate(samples)]
