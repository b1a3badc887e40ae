"""Billing codes of the cohort."""

import pyarrow as pa
import pytest
from raw_folders import open_raw, write_raw

from clinragen.config.extract import Diagnoses
from clinragen.errors import UserError
from clinragen.extract.diagnoses import select_diagnoses
from clinragen.extract.layout import LAYOUTS
from clinragen.schemas.extract import ATTRITION, DIAGNOSES

STAYS = pa.table({"stay_id": [100, 101, 200], "hadm_id": [10, 10, 20], "subject_id": [1, 1, 2]})


def row(dataset, hadm, position, code, version=9):
    values = {"icd9_code": code} if dataset == "mimic3" else {"icd_code": code, "icd_version": version}
    return {"subject_id": 1, "hadm_id": hadm, "seq_num": position, **values}


def select(directory, dataset, rows, dictionary=None):
    write_raw(directory, dataset, "diagnoses_icd", rows)
    tables = ["diagnoses_icd"]
    if dictionary is not None:
        write_raw(directory, dataset, "d_icd_diagnoses", dictionary)
        tables.append("d_icd_diagnoses")
    rules = Diagnoses(unlisted_codes=dictionary is None)
    chosen, steps = select_diagnoses(open_raw(directory, dataset, *tables), LAYOUTS[dataset], STAYS, rules)
    codes = [tuple(r.values()) for r in DIAGNOSES.check(chosen, "test").to_pylist()]
    return codes, [s["rows"] for s in ATTRITION.check(steps, "test").to_pylist()]


def test_codes_keep_leading_zeros_and_their_order(tmp_path):
    rows = [row("mimic3", 20, 2, "0389"), row("mimic3", 20, 1, "4019"), row("mimic3", 20, 3, "V4581")]
    assert select(tmp_path, "mimic3", rows)[0] == [(200, 1, 9, "4019"), (200, 2, 9, "0389"), (200, 3, 9, "V4581")]


def test_mimic4_keeps_the_version_and_trims_padding(tmp_path):
    rows = [row("mimic4", 20, 1, "0389   ", 9), row("mimic4", 20, 2, "I10    ", 10), row("mimic4", 20, 3, "A419", 10)]
    assert select(tmp_path, "mimic4", rows)[0] == [(200, 1, 9, "0389"), (200, 2, 10, "I10"), (200, 3, 10, "A419")]


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


def test_a_version_that_is_not_a_number_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"diagnoses_icd\.csv\.gz"):
        select(tmp_path, "mimic4", [row("mimic4", 20, 1, "I10", "ten")])


def test_quirk_codes_that_the_dictionary_lacks_are_dropped(tmp_path):
    rows = [row("mimic3", 20, 1, "4019"), row("mimic3", 20, 2, "2765")]
    assert select(tmp_path, "mimic3", rows, [{"icd9_code": "4019"}, {"icd9_code": "0389"}]) == (
        [(200, 1, 9, "4019")],
        [2, 2, 1, 1],
    )


def test_in_the_dictionary_of_mimic4_the_version_counts_too(tmp_path):
    rows = [row("mimic4", 20, 1, "E860", 9), row("mimic4", 20, 2, "E860", 10)]
    dictionary = [{"icd_code": "E860", "icd_version": 10}]
    assert select(tmp_path, "mimic4", rows, dictionary)[0] == [(200, 2, 10, "E860")]
