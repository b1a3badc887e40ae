"""The cases on which rationales are compared: the same for every model."""

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from clinragen.config.asked import Cases
from clinragen.schemas.evaluate import CASES


def select_cases(samples: pa.Table, settings: Cases) -> pa.Table:
    """A random sample of the test split (CASES), or all of it where it is no larger.

    A larger number keeps the cases of a smaller one, so that only the new ones are asked about.
    """
    stays = [row["stay_id"] for row in samples.to_pylist() if row["split"] == "test"]
    chosen = ranked(stays, settings.seed)[: settings.number]
    return pa.table({"stay_id": sorted(chosen)}, schema=CASES.schema)


def ranked(numbers: Iterable[int], seed: int, purpose: str = "") -> list[int]:
    """The numbers, as of stays or patients, by a hash of seed and number: a random order, the same in every run.

    Whoever draws cases takes the first ones without a purpose. So, with the same seeds, those of the human study are
    among those of the judges, and these the first of all that are compared. Orders for other purposes are independent.
    """
    salt = f"{seed} {purpose}".rstrip()
    return sorted(numbers, key=lambda number: hashlib.sha256(f"{salt} {number}".encode()).digest())
