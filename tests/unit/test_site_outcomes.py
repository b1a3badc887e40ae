"""What the front page says came out, computed from small tables by hand."""

import pyarrow as pa
import pytest
from front import ANSWERS, NOTHING, TABLE1, TABLE2, attrition, planted

from clinragen.schemas.claims import CLAIMS
from clinragen.schemas.evaluate import PLANTED
from clinragen.site.outcomes import claims, dataset, headline, labs_read


def test_claims_are_counted_by_both_answers():
    found = claims(ANSWERS)
    assert (found.number, found.in_print) == (
        4, {"holds in print": 2, "contradicted in print": 1, "not printed": 1},
    )  # fmt: skip
    assert found.verdicts == {"reproduced": 1, "not reproduced": 1, "not decidable": 2}
    assert claims(CLAIMS.schema.empty_table()).number == 0


def test_the_main_rows_are_the_student_the_best_others_and_the_ablations():
    found = headline(TABLE1, TABLE2)
    assert [row.name for row in found.student] == ["ClinRaGen"]
    # Trained before asked, each by micro F1; ClinRaGen* has no value.
    assert [row.name for row in found.others] == ["baseline 5", "baseline 4", "baseline 3", "asked high"]
    assert [(row.name, row.table) for row in found.ablations] == [("w/o LAB&KNOW", "table2")]
    assert (found.datasets, found.seeds, found.rows) == (["MIMIC-III", "MIMIC-IV"], 5, 9)
    cells = found.student[0].cells
    assert set(cells) == {(name, metric) for name in found.datasets for metric in ("micro_f1", "macro_f1")}
    assert cells["MIMIC-III", "macro_f1"]["ours_mean"] == pytest.approx(0.6)


def test_the_rows_do_not_depend_on_the_order_of_the_tables():
    turned = headline(TABLE1.take(pa.array(range(TABLE1.num_rows - 1, -1, -1))), TABLE2)
    assert [row.name for row in turned.others] == [row.name for row in headline(TABLE1, TABLE2).others]


def test_without_values_the_student_is_there_and_nothing_else():
    found = headline(NOTHING, NOTHING)
    assert [row.name for row in found.student] == ["ClinRaGen"] and not found.others and not found.ablations
    assert (found.datasets, found.seeds, found.rows) == ([], 0, 0)


def test_what_is_read_in_the_labs_is_the_first_models_mean_over_seeds():
    (found,) = labs_read(planted(own=0.52, others=0.05, chance=0.06))
    assert (found.dataset, found.model) == ("MIMIC-III", "ClinRaGen")
    assert [score.mean for score in (found.own, found.others, found.chance)] == pytest.approx([0.52, 0.05, 0.06])
    assert (found.own.low, found.own.high) == (0.4, 0.6)
    assert labs_read(PLANTED.schema.empty_table()) == []


def test_a_dataset_has_the_samples_left_and_those_of_each_split():
    found = dataset("MIMIC-III", attrition(test=None))
    assert (found.stays, found.splits) == (680, {"train": 494, "validation": 52, "test": None})
    assert dataset("x", attrition().slice(0, 1)).stays is None
