"""The sample of the test split is random, the same for all models, and kept when it grows."""

import pyarrow as pa

from clinragen.config.asked import Cases
from clinragen.evaluate.cases import select_cases
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.predictions import CASES

SPLITS = ("test", "train", "validation")
STAYS = [{"stay_id": n, "subject_id": n, "hadm_id": n, "split": SPLITS[n % 3]} for n in range(300)]


def selected(number: int, seed: int = 1, stays: list[dict] = STAYS) -> list[int]:
    table = select_cases(pa.Table.from_pylist(stays, SAMPLES.schema), Cases(number=number, seed=seed))
    return CASES.check(table, "test")["stay_id"].to_pylist()


def test_the_cases_are_of_the_test_split_and_in_order():
    found = selected(20)
    assert len(found) == 20 and found == sorted(found) and all(stay % 3 == 0 for stay in found)


def test_a_larger_number_keeps_the_cases_and_none_exceeds_the_split():
    assert set(selected(20)) < set(selected(60)) < set(selected(1000)) == set(range(0, 300, 3))


def test_another_seed_selects_others_and_the_order_of_the_stays_does_not_matter():
    assert selected(20) != selected(20, seed=2)
    assert selected(20, stays=STAYS[::-1]) == selected(20)


def test_every_stay_is_as_likely():
    """Over many seeds each of 100 stays is drawn about as often: 20 of 100, 400 times, is 80 ± 8."""
    counts = dict.fromkeys(range(0, 300, 3), 0)
    for seed in range(400):
        for stay in selected(20, seed):
            counts[stay] += 1
    assert all(45 < count < 115 for count in counts.values())
