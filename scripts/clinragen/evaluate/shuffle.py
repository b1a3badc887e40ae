"""Test samples that have a part of another one: what is found then was not read from that part."""

from dataclasses import replace
from typing import Literal

import numpy as np

from clinragen.model.inputs import Sample


def exchange(samples: list[Sample], part: Literal["series", "note"], seed: int) -> list[Sample]:
    """The samples, each with the series or the note of another one; labels and all else stay."""
    order = np.random.default_rng(seed).permutation(len(samples))
    other = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return [replace(sample, **{part: getattr(samples[other[i]], part)}) for i, sample in enumerate(samples)]
