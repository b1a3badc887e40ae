"""Test samples that have a part of another one: what is found then was not read from that part."""

from typing import Literal

import numpy as np

from clinragen.model.inputs import Row

PARTS = {"note": ("input_ids",), "labs": ("series", "caption_ids")}


def exchange(samples: list[Row], part: Literal["note", "labs"], seed: int) -> list[Row]:
    """The samples, each with the note or the labs of another one, as far as they are read; all else stays."""
    names = [name for name in PARTS[part] if samples and name in samples[0]]
    order = np.random.default_rng(seed).permutation(len(samples))
    other = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return [sample | {name: samples[other[i]][name] for name in names} for i, sample in enumerate(samples)]
