"""Which stays become samples."""

import pyarrow as pa
import pytest

from clinragen.benchmark.samples import select_samples
from clinragen.benchmark.split import split_stays
from clinragen.config.benchmark import Split
from clinragen.errors import UserError
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.extract import ATTRITION

SPLIT = Split(test=0.2, validation=0.1, seed=2019)


def select(stays: list[tuple[int, int]], measured, noted, division=SPLIT):
    """Samples from (stay, patient) pairs and the stays with events and with a course."""
    table = pa.table(
        {
            "stay_id": pa.array([s for s, _ in stays], pa.int64()),
            "subject_id": pa.array([p for _, p in stays], pa.int64()),
            "hadm_id": pa.array([1000 + s for s, _ in stays], pa.int64()),
        }
    )
    split, _ = split_stays(table, division, [])
    events = pa.chunked_array([[s for s in measured for _ in range(2)]], pa.int64())
    conditions = {"with events": events, "with a course": pa.chunked_array([list(noted)], pa.int64())}
    samples, steps = select_samples(split, conditions)
    return SAMPLES.check(samples, "test").to_pylist(), ATTRITION.check(steps, "test").to_pylist()


def test_samples_meet_all_conditions_and_each_is_counted():
    stays = [(n, n) for n in range(100)]
    rows, steps = select(stays, range(10, 100), range(90))
    assert [r["stay_id"] for r in rows] == list(range(10, 90))
    assert all(r["hadm_id"] == 1000 + r["stay_id"] for r in rows)
    assert [s["step"] for s in steps[:3]] == ["stays of the cohort", "with events", "with a course"]
    assert [s["stays"] for s in steps[:3]] == [100, 90, 80]
    assert [(s["table"], s["order"]) for s in steps] == [
        (t, n) for t in ("samples", "sample splits") for n in (1, 2, 3)
    ]


def test_a_split_of_few_patients_cannot_be_derived_by_subtraction():
    stays = [(n, n) for n in range(100)]
    sizes = [s["stays"] for s in select(stays, range(100), range(100))[1][3:]]
    # Eight patients are in the validation split, so the next larger split is hidden with it.
    assert sizes == [72, None, None]
    large = [(n, n) for n in range(1000)]
    assert [s["stays"] for s in select(large, range(1000), range(1000))[1][3:]] == [720, 80, 200]


def test_the_part_of_a_patient_does_not_depend_on_who_else_has_a_note():
    stays = [(n, n) for n in range(200)]
    splits = [
        {r["stay_id"]: r["split"] for r in select(stays, range(200), noted)[0]} for noted in (range(200), range(150))
    ]
    assert all(splits[0][stay] == split for stay, split in splits[1].items())


@pytest.mark.parametrize(
    ("patients", "validation", "split"), [(1, 0.1, "validation"), (0, 0.1, "train"), (2, 0.5, "test")]
)
def test_an_empty_split_is_reported_with_the_tables_to_check(patients, validation, split):
    division = SPLIT.model_copy(update={"validation": validation})
    with pytest.raises(UserError, match=rf"the {split} split is empty: {patients} stays .*benchmark\.split"):
        select([(n, n) for n in range(patients)], range(patients), range(patients), division)
