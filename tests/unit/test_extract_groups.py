"""Groups of patients by which scores are compared."""

import logging

import pyarrow as pa
import pytest
from raw_folders import STAY, open_raw, write_raw

from clinragen.extract.groups import UNKNOWN, select_groups
from clinragen.extract.layout import LAYOUTS
from clinragen.schemas.discussion import GROUPS

both = pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
STAYS = pa.table({"stay_id": [2, 1], "hadm_id": [20, 10], "age": [40.5, 90.0], "gender": ["F", ""]})


def select(directory, dataset, **insurance) -> list[dict]:
    units = {1: " MICU ", 2: ""}
    write_raw(directory, dataset, "icustays", [{STAY[dataset]: s, "first_careunit": u} for s, u in units.items()])
    write_raw(directory, dataset, "admissions", [{"hadm_id": 10} | insurance, {"hadm_id": 20}, {"hadm_id": 30}])
    found = select_groups(open_raw(directory, dataset, "icustays", "admissions"), LAYOUTS[dataset], STAYS)
    return GROUPS.check(found, "test").to_pylist()


@both
def test_every_stay_has_its_groups_in_order(dataset, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="groups"):
        found = select(tmp_path, dataset, insurance="Medicare")
    assert [tuple(row.values()) for row in found] == [
        (1, 90.0, UNKNOWN, "MICU", "Medicare"),
        (2, 40.5, "F", UNKNOWN, UNKNOWN),
    ]
    assert "sex: 1 of 2 stays unknown" in caplog.text and "insurance: 1 of 2 stays unknown" in caplog.text


def test_admissions_without_the_column_leave_the_insurance_unknown(tmp_path):
    write_raw(tmp_path, "mimic4", "icustays", [{"stay_id": 1, "first_careunit": "MICU"}])
    path = write_raw(tmp_path, "mimic4", "admissions", [], packed=False)
    path.write_text("subject_id,hadm_id,admission_type\n1,10,URGENT\n", encoding="utf-8")
    found = select_groups(open_raw(tmp_path, "mimic4", "icustays", "admissions"), LAYOUTS["mimic4"], STAYS.slice(1))
    assert found["insurance"].to_pylist() == [UNKNOWN] and found["unit"].to_pylist() == ["MICU"]
