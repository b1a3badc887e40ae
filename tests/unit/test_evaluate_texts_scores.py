"""Measures of rationales on small tables: both conventions, missing texts, invalid inputs, the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pages import templates
from raw_folders import RESOURCES

from clinragen.config.evaluate import Bootstrap, Compared
from clinragen.errors import UserError
from clinragen.evaluate.texts.faithful import of_captions, of_series
from clinragen.evaluate.texts.lab_claims import read_lab_wordings
from clinragen.evaluate.texts.page import texts_page
from clinragen.evaluate.texts.runs import Cases, Texts, gather_cases, read_run, read_teacher, require_same_labels
from clinragen.evaluate.texts.scores import Facts, score_texts
from clinragen.rationale.claims import read_wordings
from clinragen.schemas.benchmark import FENCES, SAMPLES, SCALES, SERIES
from clinragen.schemas.predictions import CASES, PREDICTIONS, row_without_text
from clinragen.schemas.rationale import RATIONALES
from clinragen.schemas.texts import BERTSCORES, FINDINGS, TEXT_SCORES

VARIABLES = ["Glucose", "pH"]
NUMBER = 24
SETTINGS = Bootstrap(replicates=1000, seed=1)
NOTE = "Based on the medical notes, the patient has shock with cold limbs and lactate."
LAB = "Lab test shows that pH is lower than normal 3 times."
CAPTIONS = "Glucose is normal all the time. pH is lower than normal 3 times."
SHOCK = [["Shock"]] * NUMBER


def cases(number: int = NUMBER) -> Cases:
    return Cases(list(range(number)), np.arange(number), frozenset(range(number)))


def facts(**changes) -> Facts:
    parts = {"note": [NOTE] * NUMBER, "lab": [LAB] * NUMBER}
    stated = of_captions([CAPTIONS] * NUMBER, VARIABLES)
    facts_of_cases = Facts(
        Texts("GT", "teacher", parts, SHOCK),
        stated,
        [{("Glucose", "higher")}] * NUMBER,
        ["cold limbs"] * NUMBER,
        read_lab_wordings(RESOURCES / "lab_wordings.csv", VARIABLES),
        read_wordings(RESOURCES / "phenotype_wordings.csv"),
        None,
    )
    return replace(facts_of_cases, **changes)


def run(notes, labs=None, predicted=SHOCK, model="M", name="seed1", cut=()) -> Texts:
    parts = {"note": notes} | ({"lab": labs} if labs is not None else {})
    return Texts(model, name, parts, SHOCK, predicted, list(cut) or [False] * NUMBER)


def scores(*runs, known=None, number: int = NUMBER, **changes) -> tuple[dict, list[dict]]:
    table, findings = score_texts(runs, facts(**changes), known, "MIMIC-III", cases(number), SETTINGS)
    rows = TEXT_SCORES.check(table, "test").to_pylist()
    return {(r["model"], r["part"], r["metric"]): r for r in rows}, FINDINGS.check(findings, "test").to_pylist()


def values(cells: dict, model: str, part: str) -> dict[str, float | None]:
    return {metric: row["value"] for (m, p, metric), row in cells.items() if (m, p) == (model, part)}


def test_the_teachers_own_texts_score_1_and_are_faithful():
    cells, against = scores(run([NOTE] * NUMBER, [LAB] * NUMBER))
    for part in ("note", "lab", "both"):
        assert {v for m, v in values(cells, "M", part).items() if "bleu" in m} == {1}
    assert values(cells, "M", "lab") | values(cells, "GT", "lab") == values(cells, "M", "lab")
    lab = values(cells, "GT", "lab")
    assert (lab["lab_claims"], lab["lab_claims_captions"], lab["captions_claimed"]) == (1, 1, 1)
    # The series of these stays contradict the claim.
    assert lab["lab_claims_series"] == 0
    assert {(f["model"], f["kind"], f["what"]) for f in against} == {(m, "series", "pH lower") for m in ("M", "GT")}
    note = values(cells, "GT", "note")
    assert (note["named"], note["named_true"], note["true_named"]) == (1, 1, 1)
    # The teacher was given the diagnoses, so it predicts none.
    assert "named_predicted" not in note and values(cells, "M", "note")["named_predicted"] == 1


def test_a_missing_part_is_left_out_by_one_convention_and_0_by_the_other():
    notes = [NOTE] * 12 + [None] * 12
    rows = [
        {"stay_id": s, "model": "M", "run": "seed1", "part": "note", "precision": v, "recall": v, "f1": v}
        for s, v in enumerate([0.9] * 12 + [0.0] * 12)
    ]
    cells, _ = scores(run(notes), known=pa.Table.from_pylist(rows, BERTSCORES.schema))
    own = values(cells, "M", "note")
    assert (own["bleu_marked"], own["bleu_all"]) == (1, 0.5)
    assert (own["bertscore_marked"], own["bertscore_all"]) == (0.9, 0.45)
    assert own["missing"] == 0.5 and own["words"] == len(NOTE.split())
    assert own["corpus_bleu_marked"] == 1 > own["corpus_bleu_all"] > 0
    assert cells["M", "note", "bleu_marked"]["counted"] == 12
    # Per text, not per case.
    assert (own["named"], cells["M", "note", "named"]["counted"]) == (1, 12)
    # It writes no R^t by design, so R^t has no rows.
    assert {part for model, part, _ in cells if model == "M"} == {"note", "both"}
    assert values(cells, "M", "both") == {"cut": 0}


def test_a_marker_without_text_counts_as_0_in_both_conventions():
    cells, _ = scores(run([NOTE] * 12 + [""] * 12))
    assert values(cells, "M", "note")["bleu_marked"] == values(cells, "M", "note")["bleu_all"] < 1


def test_texts_that_are_all_empty_score_0_and_claim_nothing():
    cells, against = scores(run([None] * NUMBER, [""] * NUMBER))
    for part in ("note", "lab", "both"):
        own = values(cells, "M", part)
        assert own["bleu_all"] == own["corpus_bleu_all"] == 0 and own["missing"] == 1 and own["words"] is None
    assert values(cells, "M", "note")["bleu_marked"] is None and values(cells, "M", "lab")["bleu_marked"] == 0
    assert values(cells, "M", "lab")["lab_claims"] is None and values(cells, "M", "lab")["lab_claims_captions"] is None
    assert cells["M", "lab", "lab_claims_captions"]["counted"] == cells["M", "lab", "lab_claims"]["counted"] == 0
    assert {row["model"] for row in against} == {"GT"}
    assert 'class="scores"' in texts_page(pa.Table.from_pylist([*cells.values()], TEXT_SCORES.schema), "s", [], PAGE)


def test_cases_without_a_text_of_the_teacher_have_no_reference():
    parts = {"note": [NOTE] * 12 + [None] * 12, "lab": [LAB] * NUMBER}
    silent = Texts("GT", "teacher", parts, SHOCK)
    cells, _ = scores(run(["something else"] * 12 + [NOTE] * 12), teacher=silent)
    assert cells["M", "note", "bleu_all"]["counted"] == 12 and cells["M", "note", "bleu_all"]["value"] == 0
    assert values(cells, "GT", "note")["missing"] == 0.5


def test_outputs_cut_at_the_limit_are_counted_where_their_end_is_known():
    cells, _ = scores(
        run([NOTE] * NUMBER, cut=[True] * 11 + [False] * 13), run([NOTE] * NUMBER, model="A", cut=[None] * NUMBER)
    )
    assert values(cells, "M", "both")["cut"] == round(11 / 24, 5) and ("A", "both", "cut") not in cells


def test_the_mean_is_over_the_seeds():
    other = run(["nothing"] * NUMBER, name="seed2")
    cells, _ = scores(run([NOTE] * NUMBER), other)
    row = cells["M", "note", "bleu_all"]
    assert (row["value"], row["n_seeds"], row["counted"]) == (0.5, 2, 48) and row["std"] == pytest.approx(0.70711)


def test_diseases_are_compared_with_the_labels_and_the_models_own():
    text = "Based on the medical notes, septic shock and pneumonia; no stroke."
    cells, against = scores(run([text] * NUMBER, predicted=[["Shock", "Acute cerebrovascular disease"]] * NUMBER))
    own = values(cells, "M", "note")
    assert (own["named"], own["named_true"], own["true_named"]) == (2, 0.5, 1)
    assert (own["named_predicted"], own["predicted_named"]) == (0.5, 0.5)
    wrong = {(row["kind"], row["what"]) for row in against if row["model"] == "M"}
    assert wrong == {("true", "pneumonia"), ("predicted", "pneumonia")}
    assert all("septic shock" in row["text"] for row in against if row["model"] == "M")


def test_values_over_few_patients_are_hidden():
    labs = [LAB] * 10 + [None] * 14
    cells, _ = scores(run([NOTE] * NUMBER, labs))
    row = cells["M", "lab", "lab_claims_captions"]
    assert [row[name] for name in ("value", "std", "low", "high", "counted")] == [None] * 5
    assert cells["M", "lab", "captions_claimed"]["value"] == pytest.approx(10 / 24, abs=1e-5)


@pytest.mark.parametrize("missing", [1, 10, NUMBER - 1])
def test_no_value_reveals_a_small_number_of_texts(missing):
    """The share of missing texts gives their number, and so does the quotient of the two conventions."""
    ends = [True] * missing + [False] * (NUMBER - missing)
    cells, _ = scores(run([NOTE] * (NUMBER - missing) + [None] * missing, cut=ends))
    own = values(cells, "M", "note")
    assert [own[metric] for metric in ("missing", "bleu_all", "corpus_bleu_all")] == [None] * 3
    assert cells["M", "note", "words"]["counted"] is None and values(cells, "M", "both")["cut"] is None
    assert (own["words"] is None) == (own["bleu_marked"] is None) == (NUMBER - missing < 11)


def test_series_are_converted_back_to_their_units():
    """A value on the low fence is low; imputed values and variables without fences do not count."""
    scales = [("Glucose", 100.0, 50.0, 128.0), ("pH", 7.4, 0.1, 7.4), ("Capillary refill rate", 0.1, 0.3, 0.0)]
    scales = pa.Table.from_pylist([dict(zip(SCALES.schema.names, row, strict=True)) for row in scales], SCALES.schema)
    fences = [("Glucose", 40.0, 200.0), ("pH", 7.25, 7.55)]
    fences = pa.Table.from_pylist([dict(zip(FENCES.schema.names, row, strict=True)) for row in fences], FENCES.schema)
    grids = {
        0: ([[200.0, 7.25, 1], [260.0, 7.4, 1]], [[1, 1, 1], [0, 1, 1]]),
        1: ([[201.0, 7.56, 0], [40.0, 7.3, 0]], [[1, 1, 1], [1, 0, 1]]),
    }
    for scaled in (True, False):
        rows = []
        for stay, (grid, measured) in grids.items():
            values = (np.array(grid) - [100, 7.4, 0.1]) / [50, 0.1, 0.3] if scaled else np.array(grid)
            flat = {"values": values.ravel().astype(np.float32), "measured": np.array(measured, bool).ravel()}
            rows.append({"stay_id": stay, "steps": 2} | flat)
        series = pa.Table.from_pylist(rows, SERIES.schema)
        stated = of_series(series, scales, fences, scaled, cases(2))
        assert stated == [{("pH", "lower")}, {("Glucose", "higher"), ("Glucose", "lower"), ("pH", "higher")}]


PAGE = templates("texts")


def test_the_page_escapes_names_and_marks_hidden_values():
    cells, _ = scores(run([NOTE] * NUMBER, [LAB] * 10 + [None] * 14, model="<script>R&D</script>"))
    table = pa.Table.from_pylist([*cells.values()], TEXT_SCORES.schema)
    page = texts_page(table, "nrefs:1|<b>", ["tiny & <synthetic>"], PAGE)
    assert "<script>R" not in page and "&lt;script&gt;R&amp;D&lt;/script&gt;" in page and "nrefs:1|&lt;b&gt;" in page
    assert "tiny &amp; &lt;synthetic&gt;" in page and 'class="hidden"' in page
    assert "http" not in page.replace("http-equiv", "")


# --- Invalid inputs ---


def predictions(path: Path, stays, **changes) -> Path:
    rows = [
        row_without_text(s, ["Shock"], ["Shock"]) | {"note_rationale": NOTE, "end": "limit"} | changes for s in stays
    ]
    PREDICTIONS.write(pa.Table.from_pylist(rows, PREDICTIONS.schema), path)
    return path


COMPARED = Compared(model="M", run="seed1", parts=["note", "lab"])


def test_predictions_are_put_in_the_order_of_the_cases(tmp_path):
    chosen = Cases([1, 3], np.array([1, 3]), frozenset(range(5)))
    texts = read_run(predictions(tmp_path / "x.parquet", [4, 3, 2, 1, 0]), COMPARED, chosen)
    assert texts.parts == {"note": [NOTE] * 2, "lab": [None] * 2} and texts.predicted == [["Shock"]] * 2
    assert texts.part("both") == [NOTE] * 2 and texts.cut == [True, True]
    given = read_run(predictions(tmp_path / "y.parquet", range(5), readable=None), COMPARED, chosen)
    assert given.predicted is None


@pytest.mark.parametrize(
    ("stays", "message"),
    [
        ([0, 1], "1 of 3 cases have no row in it"),
        ([0, 1, 2, 9], "1 of its stays are not in the test split"),
    ],
)
def test_missing_and_extra_stays_are_errors(stays, message, tmp_path):
    with pytest.raises(UserError, match=rf"x\.parquet: {message}.*delete it and run again"):
        read_run(predictions(tmp_path / "x.parquet", stays), COMPARED, cases(3))


def test_stays_that_occur_twice_are_an_error(tmp_path):
    with pytest.raises(UserError, match="1 values of stay_id occur twice"):
        predictions(tmp_path / "x.parquet", [0, 1, 1, 2])


def test_labels_of_another_cohort_are_an_error(tmp_path):
    path = predictions(tmp_path / "x.parquet", range(3))
    texts = [read_run(path, COMPARED, cases(3))]
    require_same_labels(texts, [path], [["Shock"]] * 3)
    with pytest.raises(UserError, match=r"x\.parquet: 1 cases have other labels"):
        require_same_labels(texts, [path], [["Shock"], [], ["Shock"]])


def test_a_teacher_without_a_row_for_a_case_is_an_error_and_one_without_a_text_is_not(tmp_path):
    rows = [{"stay_id": s, "request": "r", "text": t, "status": "good", "note_cut": 0} for s, t in ((0, "a"), (1, ""))]
    for name in ("notes", "labs"):
        RATIONALES.write(pa.Table.from_pylist(rows, RATIONALES.schema), tmp_path / f"{name}.parquet")
    files = (tmp_path / "notes.parquet", tmp_path / "labs.parquet")
    assert read_teacher(*files, cases(2), []).parts == {"note": ["a", None], "lab": ["a", None]}
    with pytest.raises(UserError, match=r"notes\.parquet: 1 of 3 cases have no row"):
        read_teacher(*files, cases(3), [])


def test_cases_come_from_the_test_split():
    samples = pa.table(
        {"stay_id": [1, 2], "subject_id": [5, 6], "hadm_id": [1, 2], "split": ["test", "train"]}, SAMPLES.schema
    )
    chosen = gather_cases(pa.table({"stay_id": [1]}, CASES.schema), samples)
    assert (chosen.stays, chosen.patients.tolist(), chosen.test) == ([1], [5], {1})
    with pytest.raises(UserError, match="1 of 2 cases are not in the test split"):
        gather_cases(pa.table({"stay_id": [1, 2]}, CASES.schema), samples)
    with pytest.raises(UserError, match="no cases on which to compare"):
        gather_cases(pa.table({"stay_id": []}, CASES.schema), samples)
