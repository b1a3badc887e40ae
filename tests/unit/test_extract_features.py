"""Features of a patient at admission, for models with conditional prompts."""

import logging

import pyarrow as pa
import pytest
from raw_folders import DECLARATION, RESOURCES, open_raw, write_raw

from clinragen.errors import UserError
from clinragen.extract.features import select_features
from clinragen.registry.features import ADMISSION_TYPES, CATEGORIES, FEATURES, NUMERIC
from clinragen.schemas.extract import FEATURES as TABLE

both = pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])


def select(directory, dataset, types: dict[int, str], genders="FM", ages=(40.5, 90.0)) -> list[dict]:
    """Features of one stay per admission, which has this type; the table lists the admissions of others too."""
    rows = [{"subject_id": 1, "hadm_id": hadm, "admission_type": kind} for hadm, kind in types.items()]
    write_raw(directory, dataset, "admissions", [*rows, {"subject_id": 9, "hadm_id": 99, "admission_type": "URGENT"}])
    count = len(types)
    stays = pa.table(
        {
            "stay_id": [hadm + 100 for hadm in types],
            "hadm_id": list(types),
            "age": [ages[i % 2] for i in range(count)],
            "gender": [genders[i % len(genders)] for i in range(count)],
        }
    )
    return TABLE.check(select_features(open_raw(directory, dataset, "admissions"), stays), "test").to_pylist()


@both
def test_every_stay_has_age_sex_and_type_of_admission_in_order(dataset, tmp_path):
    found = select(tmp_path, dataset, {20: "URGENT", 10: " elective"})
    assert [tuple(row.values()) for row in found] == [(110, 90.0, "M", "ELECTIVE"), (120, 40.5, "F", "URGENT")]


@both
def test_what_is_missing_or_unknown_is_other_and_counted(dataset, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="features"):
        found = select(tmp_path, dataset, {10: "", 20: "BY BOAT", 30: "URGENT"}, genders="FMX")
    assert [row["admission_type"] for row in found] == ["OTHER", "OTHER", "URGENT"]
    assert [row["sex"] for row in found] == ["F", "M", "OTHER"]
    assert "sex: 1 of 3 stays are other" in caplog.text and "admission_type: 2 of 3 stays are other" in caplog.text
    assert "BOAT" not in caplog.text


def test_all_types_of_admission_of_the_releases_have_a_place(tmp_path):
    found = select(tmp_path, "mimic4", dict(enumerate(ADMISSION_TYPES, 10)))
    assert [row["admission_type"] for row in found] == list(ADMISSION_TYPES) == list(CATEGORIES["admission_type"][:-1])
    assert set(found[0]) == {"stay_id", *FEATURES} and set(NUMERIC) == {"age"}


@both
def test_a_table_without_the_column_is_named(dataset, tmp_path):
    columns = [c for c in DECLARATION[dataset]["tables"]["admissions"]["columns"] if c != "admission_type"]
    path = write_raw(tmp_path, dataset, "admissions", [{"hadm_id": 1}], packed=False)
    path.write_text(",".join(columns) + "\n" + ",".join("1" for _ in columns) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"missing column.*admission_type"):
        open_raw(tmp_path, dataset, "admissions").checked(dataset, RESOURCES / "raw_tables.yaml")
