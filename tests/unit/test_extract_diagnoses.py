"""Billing codes of the cohort."""

import pyarrow as pa
import pytest
from raw_folders import open_raw, write_raw

from clinragen.extract.diagnoses import select_diagnoses
from clinragen.kernel.errors import UserError
from clinragen.tables.extract import ATTRITION, DIAGNOSES

STAYS = pa.table({"stay_id": [100, 101, 200], "hadm_id": [10, 10, 20], "subject_id": [1, 1, 2]})


def row(dataset, hadm, position, code, version=9):
    values = {"icd9_code": code} if dataset == "mimic3" else {"icd_code": code, "icd_version": version}
    return {"subject_id": 1, "hadm_id": hadm, "seq_num": position, **values}


def select(folder, dataset, rows, stays=STAYS):
    write_raw(folder, dataset, "diagnoses_icd", rows)
    chosen, steps = select_diagnoses(open_raw(folder, dataset, "diagnoses_icd"), dataset, stays)
    codes = [tuple(r.values()) for r in DIAGNOSES.check(chosen, "test").to_pylist()]
    return codes, [s["rows"] for s in ATTRITION.check(steps, "test").to_pylist()]


def test_codes_keep_leading_zeros_and_their_order(tmp_path):
    rows = [row("mimic3", 20, 2, "0389"), row("mimic3", 20, 1, "4019"), row("mimic3", 20, 3, "V4581")]
    assert select(tmp_path, "mimic3", rows)[0] == [(200, 1, 9, "4019"), (200, 2, 9, "0389"), (200, 3, 9, "V4581")]


def test_mimic4_keeps_the_version_and_trims_padding(tmp_path):
    rows = [row("mimic4", 20, 1, "0389   ", 9), row("mimic4", 20, 2, "I10    ", 10), row("mimic4", 20, 3, "0389", 10)]
    assert select(tmp_path, "mimic4", rows)[0] == [(200, 1, 9, "0389"), (200, 2, 10, "I10"), (200, 3, 10, "0389")]


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_codes_belong_to_the_whole_admission_and_empty_ones_to_none(dataset, tmp_path):
    rows = [
        row(dataset, 10, 1, "4019"),  # two stays of one admission
        row(dataset, 30, 1, "4019"),  # not in the cohort
        row(dataset, 20, "", "4280"),  # no rank
        row(dataset, 20, 1, ""),
        row(dataset, 20, 2, "  "),
    ]
    codes, counts = select(tmp_path, dataset, rows)
    assert codes == [(100, 1, 9, "4019"), (101, 1, 9, "4019"), (200, None, 9, "4280")]
    assert counts == [5, 3, 3]


def test_a_version_that_is_no_number_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"diagnoses_icd\.csv\.gz"):
        select(tmp_path, "mimic4", [row("mimic4", 20, 1, "I10", "ten")])
