"""The division by patient: by our rule, or by the lists of others."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.benchmark.split import read_list, split_by_lists, split_stays, split_subjects
from clinragen.config.benchmark import Split
from clinragen.errors import UserError
from clinragen.schemas.benchmark import SPLIT as SPLIT_TABLE
from clinragen.schemas.extract import ATTRITION

SPLIT = Split(test=0.2, validation=0.1, seed=2019)
SUBJECTS = st.sets(st.integers(0, 10**9), min_size=1, max_size=300)
SHARES = st.floats(0.05, 0.6)


@settings(max_examples=60)
@given(subjects=SUBJECTS, test=SHARES, validation=SHARES, seed=st.integers(0, 99), random=st.randoms())
def test_every_patient_is_in_one_part_of_the_right_size_whatever_the_order(subjects, test, validation, seed, random):
    division = Split(test=test, validation=validation, seed=seed)
    splits = split_subjects(subjects, division)
    assert set(splits) == subjects and set(splits.values()) <= {"train", "validation", "test"}
    size = {p: sum(v == p for v in splits.values()) for p in ("train", "validation", "test")}
    assert size["test"] == round(len(subjects) * test)
    assert size["validation"] == round((len(subjects) - size["test"]) * validation)
    shuffled = sorted(subjects) * 2
    random.shuffle(shuffled)
    assert split_subjects(shuffled, division) == splits


def test_the_parts_of_a_seed_stay_what_they_are():
    # Frozen: a change would silently make models of different versions incomparable.
    splits = split_subjects(range(1, 21), SPLIT)
    assert sorted(s for s, p in splits.items() if p == "test") == [2, 9, 15, 16]
    assert sorted(s for s, p in splits.items() if p == "validation") == [4, 10]
    assert split_subjects(range(1, 21), SPLIT.model_copy(update={"seed": 1})) != splits


def test_another_share_of_validation_leaves_the_test_part_alone():
    one, two = (split_subjects(range(500), Split(test=0.2, validation=v, seed=3)) for v in (0.1, 0.4))
    assert {s for s, p in one.items() if p == "test"} == {s for s, p in two.items() if p == "test"}


def test_parts_do_not_follow_the_numbers_of_the_patients():
    splits = split_subjects(range(2000), SPLIT)
    tests = [s for s, p in splits.items() if p == "test"]
    assert 850 < sum(tests) / len(tests) < 1150


def test_the_list_decides_and_whom_it_does_not_name_is_in_train():
    splits = split_by_lists(range(6), {0: True, 1: False, 2: True}, {1: True, 3: False, 0: True}, SPLIT)
    assert splits == {0: "test", 1: "validation", 2: "test", 3: "train", 4: "train", 5: "train"}


def test_without_a_validation_list_our_rule_cuts_it_from_the_rest():
    splits = split_by_lists(range(100), {n: n < 40 for n in range(100)}, None, SPLIT)
    assert {s for s, p in splits.items() if p == "test"} == set(range(40))
    assert sum(p == "validation" for p in splits.values()) == 6


def stays(pairs: list[tuple[int, int]]) -> pa.Table:
    ids, subjects = zip(*pairs, strict=True)
    # Every two stays of a patient are of one admission.
    hadm = [10 * subject + stay % 2 for stay, subject in pairs]
    return pa.table({"stay_id": ids, "subject_id": subjects, "hadm_id": hadm})


def write_list(directory, *lines: str):
    path = directory / "list.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_stays_go_with_their_patient_and_are_counted(tmp_path):
    path = write_list(tmp_path, "1,1", "2,0")
    split, steps = split_stays(stays([(10, 1), (11, 1), (20, 2), (30, 3)]), SPLIT, [path])
    assert [r["split"] for r in SPLIT_TABLE.check(split, "test").to_pylist()] == ["test", "test", "train", "train"]
    assert [(s["step"], s["stays"], s["subjects"]) for s in ATTRITION.check(steps, "test").to_pylist()] == [
        ("train split", None, None),  # of few patients
        ("validation split", 0, 0),
        ("test split", None, None),
        ("in the train split", 1, 1),
    ]


def test_the_log_names_the_rule_or_list_of_the_split(tmp_path, caplog):
    caplog.set_level("INFO")
    split_stays(stays([(10, 1), (20, 2)]), SPLIT, [])
    assert "split by the default rule, seed 2019 (no list given)" in caplog.text
    split_stays(stays([(10, 1), (20, 2)]), SPLIT, [write_list(tmp_path, "1,1")])
    assert f"split by {tmp_path / 'list.csv'}" in caplog.text


def test_both_lists_of_the_benchmark(tmp_path):
    tests, validations = write_list(tmp_path, "1,1", "2,0", "3,0"), tmp_path / "val.csv"
    validations.write_text("2,1\n3,0\n", encoding="utf-8")
    split, _ = split_stays(stays([(10, 1), (20, 2), (30, 3)]), SPLIT, [tests, validations])
    assert split["split"].to_pylist() == ["test", "validation", "train"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1,1", "SUBJECT_ID,flag"], "line 2: expected a subject_id"),
        (["1,1", "2"], "line 2: expected"),
        (["1,2"], "line 1: expected"),
        (["1,1", "1,0"], "line 2: the patient is already listed on an earlier line"),
        (["1,0"], "no patient has flag 1"),
        ([""], "line 1: expected"),
    ],
)
def test_a_bad_list_is_reported_with_its_line(lines, message, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        read_list(write_list(tmp_path, *lines))
    assert "list.csv" in str(error.value)


@settings(max_examples=40)
@given(pairs=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 30)), min_size=1, unique_by=lambda p: p[0]))
def test_no_patient_and_no_admission_is_in_two_parts(pairs):
    split, _ = split_stays(stays(pairs), SPLIT, [])
    for key in ("subject_id", "hadm_id"):
        splits: dict[int, set[str]] = {}
        for row in split.to_pylist():
            splits.setdefault(row[key], set()).add(row["split"])
        assert all(len(p) == 1 for p in splits.values())
