"""The cases on which rationales are compared: the same for every model."""

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from clinragen.config.asked import Cases
from clinragen.schemas.predictions import CASES


def select_cases(samples: pa.Table, settings: Cases) -> pa.Table:
    """Return a random sample of the test split (CASES), or all of it if it is not larger.

    A larger number keeps the cases of a smaller one, so that only new cases need requests.
    """
    stays = [row["stay_id"] for row in samples.to_pylist() if row["split"] == "test"]
    selected = ranked(stays, settings.seed)[: settings.number]
    return pa.table({"stay_id": sorted(selected)}, schema=CASES.schema)


def ranked(numbers: Iterable[int], seed: int, purpose: str = "") -> list[int]:
    """Sort numbers, such as stays, by a hash of seed and number: a random order that is the same in every run.

    Cases are always the first of the order without a purpose. With the same seed, the cases of the human study are
    therefore among those of the judges, and these among the compared ones. Orders for other purposes are independent.
    """
    salt = f"{seed} {purpose}".rstrip()
    return sorted(numbers, key=lambda number: hashlib.sha256(f"{salt} {number}".encode()).digest())
