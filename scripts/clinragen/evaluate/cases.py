"""The cases on which rationales are compared: the same for every model."""

import hashlib

import pyarrow as pa

from clinragen.config.asked import Cases
from clinragen.schemas.evaluate import CASES


def select_cases(samples: pa.Table, settings: Cases) -> pa.Table:
    """A random sample of the test split (CASES), or all of it where it is no larger.

    Stays are ranked by a hash of seed and stay: a larger number keeps the cases of a smaller one, so that only the new
    ones are asked about.
    """
    stays = [row["stay_id"] for row in samples.to_pylist() if row["split"] == "test"]
    chosen = sorted(stays, key=lambda stay: hashlib.sha256(f"{settings.seed} {stay}".encode()).digest())
    return pa.table({"stay_id": sorted(chosen[: settings.number])}, schema=CASES.schema)
