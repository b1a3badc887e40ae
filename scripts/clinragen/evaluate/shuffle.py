"""Test samples with a part of another sample: phenotypes that are still found were not read from that part."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from clinragen.model.inputs import Row

Part = Literal["note", "labs"]
PARTS: dict[Part, tuple[str, ...]] = {"note": ("input_ids",), "labs": ("series", "caption_ids")}
SHUFFLED: dict[str, Part] = {"series": "labs", "notes": "note"}
"""Names of the outputs, and the part of each sample that another one replaces."""


def shuffled_samples(samples: list[Row], seed: int) -> Iterator[tuple[str, list[Row]]]:
    """Yield each name of SHUFFLED with its samples."""
    for name, part in SHUFFLED.items():
        yield name, exchange(samples, part, seed)


def exchange(samples: list[Row], part: Part, seed: int) -> list[Row]:
    """Return the samples, each with the note or the labs of another one, as far as they are read."""
    names = [name for name in PARTS[part] if samples and name in samples[0]]
    order = np.random.default_rng(seed).permutation(len(samples))
    other = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return [sample | {name: samples[other[i]][name] for name in names} for i, sample in enumerate(samples)]
