"""Predictions about other samples than the test samples are rejected, with an error that names the file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinragen.config.rows import Run
from clinragen.errors import UserError
from clinragen.evaluate.runs import Truth, marked, read_run, read_scored, truth_of
from clinragen.schemas.benchmark import LABELS, SAMPLES
from clinragen.schemas.predictions import CASES, PREDICTIONS, row_without_text

NAMES = ["a", "b"]
TRUE = {1: ["a"], 2: ["a", "b"], 3: [], 9: ["b"]}


@pytest.fixture
def truth() -> Truth:
    samples = [
        {"stay_id": stay, "subject_id": 100 + stay % 2, "hadm_id": stay, "split": "train" if stay == 9 else "test"}
        for stay in TRUE
    ]
    labels = pa.table({"stay_id": list(TRUE), "phenotypes": list(TRUE.values())}, LABELS.schema)
    return truth_of(pa.Table.from_pylist(samples, SAMPLES.schema), labels)


def rows(**predicted: list[str]) -> list[dict]:
    """Predictions of stay 1, 2, ...; `stay1=[...]` and so on."""
    found = {int(name.removeprefix("stay")): names for name, names in predicted.items()}
    return [row_without_text(stay, names, TRUE[stay]) for stay, names in found.items()]


WHOLE = rows(stay3=["b"], stay1=["a"], stay2=[])


def written(directory: Path, found: list[dict], schema: pa.Schema = PREDICTIONS.schema) -> Path:
    """Write a file of predictions without the checks of a step."""
    path = directory / "predictions.parquet"
    pq.write_table(pa.Table.from_pylist(found, schema), path)
    return path


def test_predictions_come_in_the_order_of_the_samples_that_are_tested(truth, tmp_path):
    table = read_run(written(tmp_path, WHOLE), truth, NAMES, "Flan-T5", "seed1")
    assert table["stay_id"].to_pylist() == truth.stays == [1, 2, 3]
    assert table["predicted"].to_pylist() == [["a"], [], ["b"]]
    scored = read_scored(tmp_path / "predictions.parquet", truth, NAMES, Run(dataset="M", row="Flan-T5", seed=1))
    assert (scored.row, scored.seed) == ("Flan-T5", 1)
    assert scored.predicted.tolist() == [[True, False], [False, False], [False, True]]


def test_a_model_that_is_asked_about_the_cases_is_tested_on_those(tmp_path):
    samples = [{"stay_id": n, "subject_id": n, "hadm_id": n, "split": "test"} for n in (1, 2, 3)]
    labels = pa.table({"stay_id": list(TRUE), "phenotypes": list(TRUE.values())}, LABELS.schema)
    cases = pa.table({"stay_id": [1, 3]}, CASES.schema)
    truth = truth_of(pa.Table.from_pylist(samples, SAMPLES.schema), labels, cases)
    path = written(tmp_path, rows(stay1=["a"], stay3=[]))
    assert read_run(path, truth, NAMES, "Mistral", "asked").num_rows == 2
    with pytest.raises(UserError, match="0 of 2 test samples are missing, and 1 predictions are about other samples"):
        read_run(written(tmp_path, WHOLE), truth, NAMES, "Mistral", "asked")


EMPTY = [{**row, "readable": False, "predicted": []} for row in WHOLE]


def test_texts_that_are_all_empty_are_predictions_of_none(truth, tmp_path):
    scored = read_scored(written(tmp_path, EMPTY), truth, NAMES, Run(dataset="M", row="x", seed=None))
    assert not scored.predicted.any() and scored.predicted.shape == (3, 2)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (WHOLE[:2], "1 of 3 test samples are missing, and 0 predictions are about other samples"),
        ([*WHOLE, *rows(stay9=[])], "0 of 3 test samples are missing, and 1 predictions are about other samples"),
        ([*WHOLE[:2], *rows(stay9=[])], "1 of 3 test samples are missing, and 1 predictions"),
        ([], "3 of 3 test samples are missing"),
        ([*WHOLE, WHOLE[0]], "1 values of stay_id occur twice"),
        ([{**row, "true": ["b"]} for row in WHOLE], "3 samples have other labels than benchmark/labels.parquet"),
        ([{**WHOLE[0], "predicted": ["c"]}, *WHOLE[1:]], "1 predictions have a name that is not a phenotype"),
        ([{**WHOLE[0], "predicted": ["a", None]}, *WHOLE[1:]], "1 predictions have a name that is not a phenotype"),
        ([{**WHOLE[0], "predicted": None}, *WHOLE[1:]], "field 'predicted' with null values"),
        ([{**WHOLE[0], "stay_id": None}, *WHOLE[1:]], "field 'stay_id' with null values"),
    ],
)
def test_anything_else_is_rejected_with_row_run_file_and_remedy(found, reason, truth, tmp_path):
    path = written(tmp_path, found, pa.schema([f.with_nullable(True) for f in PREDICTIONS.schema]))
    with pytest.raises(UserError) as error:
        read_run(path, truth, NAMES, "w/o KNOW", "seed4")
    for part in (str(path), "'w/o KNOW'", "run seed4", reason, "Remove the file and run the workflow again"):
        assert part in str(error.value)


def test_a_file_that_is_not_a_table_is_rejected_in_the_same_way(truth, tmp_path):
    (tmp_path / "p.parquet").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"row 'x', run asked, cannot be scored: .*not a readable predictions table"):
        read_run(tmp_path / "p.parquet", truth, NAMES, "x", "asked")


def test_marks_are_by_phenotype_whatever_the_order_of_the_names():
    assert marked([["b", "a"], [], ["b", "b"]], NAMES).tolist() == [[True, True], [False, False], [False, True]]
