"""The division by patient, and which stays become samples."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.benchmark.samples import select_samples
from clinragen.benchmark.split import split_subjects
from clinragen.config.benchmark import Split
from clinragen.kernel.errors import UserError
from clinragen.tables.benchmark import SAMPLES
from clinragen.tables.extract import ATTRITION

SPLIT = Split(test=0.2, validation=0.1, seed=2019)
SUBJECTS = st.sets(st.integers(0, 10**9), min_size=1, max_size=300)
SHARES = st.floats(0.05, 0.6)


@settings(max_examples=60, deadline=None)
@given(subjects=SUBJECTS, test=SHARES, validation=SHARES, seed=st.integers(0, 99), random=st.randoms())
def test_every_patient_is_in_one_part_of_the_right_size_whatever_the_order(subjects, test, validation, seed, random):
    division = Split(test=test, validation=validation, seed=seed)
    parts = split_subjects(subjects, division)
    assert set(parts) == subjects and set(parts.values()) <= {"train", "validation", "test"}
    size = {p: sum(v == p for v in parts.values()) for p in ("train", "validation", "test")}
    assert size["test"] == round(len(subjects) * test)
    assert size["validation"] == round((len(subjects) - size["test"]) * validation)
    shuffled = sorted(subjects) * 2
    random.shuffle(shuffled)
    assert split_subjects(shuffled, division) == parts


def test_the_parts_of_a_seed_stay_what_they_are():
    # Frozen: a change would silently make models of different versions incomparable.
    parts = split_subjects(range(1, 21), SPLIT)
    assert sorted(s for s, p in parts.items() if p == "test") == [2, 9, 15, 16]
    assert sorted(s for s, p in parts.items() if p == "validation") == [4, 10]
    assert split_subjects(range(1, 21), SPLIT.model_copy(update={"seed": 1})) != parts


def test_another_share_of_validation_leaves_the_test_part_alone():
    one, two = (split_subjects(range(500), Split(test=0.2, validation=v, seed=3)) for v in (0.1, 0.4))
    assert {s for s, p in one.items() if p == "test"} == {s for s, p in two.items() if p == "test"}


def test_parts_do_not_follow_the_numbers_of_the_patients():
    parts = split_subjects(range(2000), SPLIT)
    tests = [s for s, p in parts.items() if p == "test"]
    assert 850 < sum(tests) / len(tests) < 1150


def select(stays: list[tuple[int, int]], measured, noted, split=SPLIT):
    """Samples from (stay, patient) pairs and the stays with events and with a course."""
    table = pa.table(
        {
            "stay_id": [s for s, _ in stays],
            "subject_id": [p for _, p in stays],
            "hadm_id": [1000 + s for s, _ in stays],
        }
    )
    events = pa.table({"stay_id": [s for s in measured for _ in range(2)]})
    samples, steps = select_samples(table, events, pa.table({"stay_id": list(noted)}), split)
    return SAMPLES.check(samples, "test").to_pylist(), ATTRITION.check(steps, "test").to_pylist()


def test_samples_have_measurements_and_a_course():
    stays = [(n, n) for n in range(100)]
    rows, steps = select(stays, range(10, 100), range(90))
    assert [r["stay_id"] for r in rows] == list(range(10, 90))
    assert all(r["hadm_id"] == 1000 + r["stay_id"] for r in rows)
    assert [s["stays"] for s in steps] == [100, 90, 80, 58, 6, 16]
    assert [s["order"] for s in steps] == [1, 2, 3, 4, 5, 6] and {s["table"] for s in steps} == {"samples"}


def test_no_patient_is_in_two_parts():
    stays = [(n, n % 40) for n in range(200)]
    rows, steps = select(stays, range(200), range(200))
    parts = {}
    for row in rows:
        assert parts.setdefault(row["subject_id"], row["part"]) == row["part"]
    assert len(rows) == 200 and sum(s["subjects"] for s in steps[3:]) == 40


@pytest.mark.parametrize(
    ("patients", "validation", "part"), [(1, 0.1, "validation"), (0, 0.1, "train"), (2, 0.5, "test")]
)
def test_an_empty_part_is_told_with_the_place_to_look_at(patients, validation, part):
    division = SPLIT.model_copy(update={"validation": validation})
    with pytest.raises(UserError, match=rf"the {part} part is empty: {patients} stays .*benchmark\.split"):
        select([(n, n) for n in range(patients)], range(patients), range(patients), division)
