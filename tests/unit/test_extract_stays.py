"""The cohort, rule by rule, in both layouts."""

import gzip

import pytest
from raw_folders import DECLARATION, admission, csv_text, open_raw, patient, stay, write_raw

from clinragen.config.extract import Cohort
from clinragen.errors import UserError
from clinragen.extract.layout import LAYOUTS
from clinragen.extract.stays import select_stays
from clinragen.registry.raw import raw_path
from clinragen.schemas.extract import ATTRITION, STAYS

USUAL = Cohort(min_age=18, exclude_transfers=True, one_stay_per_admission=True)
TABLES = ("icustays", "admissions", "patients")
both = pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
MOVED = {"last_careunit": "SICU"}


def select(directory, dataset, stays, patients=None, cohort=USUAL, **style):
    """Rows of the cohort and counts per step, from tables in which usual patients and admissions are filled in."""
    patients = patients or [patient(dataset, s) for s in sorted({r["subject_id"] for r in stays})]
    admissions = [admission(*a) for a in sorted({(r["subject_id"], r["hadm_id"]) for r in stays})]
    for table, rows in zip(TABLES, (stays, admissions, patients), strict=True):
        write_raw(directory, dataset, table, rows, **style)
    chosen, steps = select_stays(open_raw(directory, dataset, *TABLES), LAYOUTS[dataset], cohort)
    counts = [(s["stays"], s["admissions"], s["subjects"]) for s in ATTRITION.check(steps, "test").to_pylist()]
    return STAYS.check(chosen, "test").to_pylist(), counts


def ids(rows):
    return [r["stay_id"] for r in rows]


@both
def test_a_stay_as_it_comes_out(dataset, tmp_path):
    (row,), counts = select(tmp_path, dataset, [stay(dataset, 1, 10, 100, los=1.25)])
    assert (row["subject_id"], row["hadm_id"], row["stay_id"]) == (1, 10, 100)
    assert str(row["intime"]) == "2100-01-01 12:00:00" and str(row["outtime"]) == "2100-01-02 12:00:00"
    assert row["los_hours"] == 30 and row["gender"] == "F" and row["age"] == pytest.approx(50, abs=0.05)
    assert counts == [(1, 1, 1)] * 4


TRANSFERS = [
    ("mimic3", {}, False),
    ("mimic3", {"last_careunit": "SICU"}, True),
    ("mimic3", {"last_wardid": 6}, True),
    # As in the benchmark: what is not known is not equal, not even to itself.
    ("mimic3", {"first_wardid": ""}, True),
    ("mimic3", {"first_wardid": "", "last_wardid": ""}, True),
    ("mimic3", {"last_careunit": ""}, True),
    ("mimic4", {}, False),
    ("mimic4", {"last_careunit": "SICU"}, True),
    ("mimic4", {"first_careunit": "", "last_careunit": ""}, True),
]


@pytest.mark.parametrize(("dataset", "values", "transfer"), TRANSFERS)
def test_a_stay_that_changed_the_unit_or_does_not_tell_is_left_out_unless_asked_for(
    dataset, values, transfer, tmp_path
):
    rows = [stay(dataset, 1, 10, 100, **values)]
    assert ids(select(tmp_path, dataset, rows)[0]) == ([] if transfer else [100])
    cohort = USUAL.model_copy(update={"exclude_transfers": False})
    assert ids(select(tmp_path, dataset, rows, cohort=cohort)[0]) == [100]


@both
def test_an_admission_with_two_stays_is_left_out(dataset, tmp_path):
    rows = [stay(dataset, 1, 10, 100), stay(dataset, 1, 10, 101), stay(dataset, 1, 11, 102)]
    chosen, counts = select(tmp_path, dataset, rows)
    assert ids(chosen) == [102] and counts == [(3, 2, 1), (3, 2, 1), (1, 1, 1), (1, 1, 1)]
    cohort = USUAL.model_copy(update={"one_stay_per_admission": False})
    assert ids(select(tmp_path, dataset, rows, cohort=cohort)[0]) == [100, 101, 102]


@both
def test_of_two_stays_the_one_without_transfer_is_kept(dataset, tmp_path):
    rows = [stay(dataset, 1, 10, 100, **MOVED), stay(dataset, 1, 10, 101)]
    chosen, counts = select(tmp_path, dataset, rows)
    assert ids(chosen) == [101] and counts == [(2, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)]


AGES = [
    ("mimic3", {"dob": "2082-01-01 00:00:00"}, [18.01]),
    ("mimic3", {"dob": "2082-02-01 00:00:00"}, []),
    ("mimic3", {"dob": "2100-01-01 00:00:00"}, []),
    ("mimic3", {"dob": "2011-02-01 00:00:00"}, [88.97]),
    ("mimic3", {"dob": "2010-01-01 00:00:00"}, [90]),
    ("mimic3", {"dob": "1800-01-01 00:00:00"}, [90]),
    ("mimic4", {"anchor_age": 18, "anchor_year": 2100}, [18]),
    ("mimic4", {"anchor_age": 17, "anchor_year": 2100}, []),
    ("mimic4", {"anchor_age": 17, "anchor_year": 2099}, [18]),
    ("mimic4", {"anchor_age": 20, "anchor_year": 2103}, []),
    ("mimic4", {"anchor_age": 89, "anchor_year": 2100}, [89]),
    ("mimic4", {"anchor_age": 89, "anchor_year": 2097}, [90]),
    ("mimic4", {"anchor_age": 91, "anchor_year": 2100}, [90]),
]


@pytest.mark.parametrize(("dataset", "born", "ages"), AGES)
def test_age_at_icu_admission(dataset, born, ages, tmp_path):
    chosen, _ = select(tmp_path, dataset, [stay(dataset, 1, 10, 100)], [patient(dataset, 1, **born)])
    assert [r["age"] for r in chosen] == pytest.approx(ages, abs=0.02)


@both
def test_the_youngest_age_is_a_setting(dataset, tmp_path):
    cohort = USUAL.model_copy(update={"min_age": 60})
    assert ids(select(tmp_path, dataset, [stay(dataset, 1, 10, 100)], cohort=cohort)[0]) == []


@both
def test_a_stay_that_never_ended_stays_in_the_cohort_without_length(dataset, tmp_path):
    (row,), _ = select(tmp_path, dataset, [stay(dataset, 1, 10, 100, outtime="", los="")])
    assert row["outtime"] is None and row["los_hours"] is None


STYLES = {"CRLF": {"newline": "\r\n"}, "upper case": {"upper": True}, "not packed": {"packed": False}}


@both
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_the_form_of_the_raw_files_does_not_matter(dataset, style, tmp_path):
    rows = [stay(dataset, 1, 10, 100), stay(dataset, 2, 20, 200, **MOVED)]
    plain = select(tmp_path / "plain", dataset, rows)
    assert select(tmp_path / "other", dataset, rows, **style) == plain and ids(plain[0]) == [100]


@both
def test_a_byte_order_mark_does_not_matter(dataset, tmp_path):
    select(tmp_path, dataset, [stay(dataset, 1, 10, 100)])
    path = raw_path(dataset, tmp_path, "patients")
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + gzip.decompress(path.read_bytes())))
    chosen, _ = select_stays(open_raw(tmp_path, dataset, *TABLES), LAYOUTS[dataset], USUAL)
    assert chosen["stay_id"].to_pylist() == [100]


def cut(data: bytes) -> bytes:
    return gzip.compress(data)[:-20]


def without(column: str, dataset: str) -> bytes:
    columns = [c for c in DECLARATION[dataset]["tables"]["icustays"]["columns"] if c != column]
    return gzip.compress(csv_text(columns, []).encode())


DAMAGES = {
    "truncated gzip": lambda data, dataset: cut(data),
    "no gzip": lambda data, dataset: b"icustays\n",
    "missing column": lambda data, dataset: without("first_careunit", dataset),
    "empty file": lambda data, dataset: gzip.compress(b""),
    "a word where a number belongs": lambda data, dataset: gzip.compress(data.replace(b",100,", b",abc,")),
    "a day that does not exist": lambda data, dataset: gzip.compress(data.replace(b"2100-01-01", b"2100-02-31")),
    "ragged rows": lambda data, dataset: gzip.compress(data + b"1,2\n" * 3),
}


@both
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_raw_file_is_named(dataset, damage, tmp_path):
    select(tmp_path, dataset, [stay(dataset, 1, 10, 100)])
    path = raw_path(dataset, tmp_path, "icustays")
    path.write_bytes(damage(gzip.decompress(path.read_bytes()), dataset))
    with pytest.raises(UserError) as error:
        select_stays(open_raw(tmp_path, dataset, *TABLES), LAYOUTS[dataset], USUAL)
    assert str(path) in str(error.value)


@both
def test_a_damage_beyond_the_first_rows_is_named_too(dataset, tmp_path):
    rows = [stay(dataset, n, n, n) for n in range(1, 30_000)]
    select(tmp_path, dataset, rows)
    path = raw_path(dataset, tmp_path, "icustays")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError) as error:
        select_stays(open_raw(tmp_path, dataset, *TABLES), LAYOUTS[dataset], USUAL)
    assert str(path) in str(error.value)


@both
def test_a_query_on_a_damaged_file_is_a_user_error_whatever_the_way_it_is_asked(dataset, tmp_path):
    select(tmp_path, dataset, [stay(dataset, 1, 10, 100)])
    raw = open_raw(tmp_path, dataset, *TABLES)
    for ask in (raw.run, raw.query, raw.row):
        with pytest.raises(UserError, match=r"(?i)icustays"):
            ask("SELECT sum(first_careunit::BIGINT) FROM raw_icustays")
