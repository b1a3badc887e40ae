"""Train, validation and test parts, divided by patient."""

import hashlib
from collections.abc import Iterable

from clinragen.config.benchmark import Split

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def split_subjects(subjects: Iterable[int], settings: Split) -> dict[int, str]:
    """Part of every patient; the same patients and seed give the same parts on any machine.

    Patients are ordered by a keyed hash; the first `test` share is the test part, the next
    `validation` share of the others the validation part.
    """

    def lot(subject: int) -> bytes:
        return hashlib.sha256(f"{settings.seed}:{subject}".encode()).digest()

    ordered = sorted(set(subjects), key=lot)
    tests = round(len(ordered) * settings.test)
    validations = round((len(ordered) - tests) * settings.validation)
    names = [TEST] * tests + [VALIDATION] * validations + [TRAIN] * (len(ordered) - tests - validations)
    return dict(zip(ordered, names, strict=True))
