"""The data card of the rationales: counts, hidden numbers, and the page."""

from pathlib import Path

import pyarrow as pa
import pytest
from pages import templates

from clinragen.evaluate.rationale_card import count_rationales, rationale_card
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.predictions import PREDICTIONS
from clinragen.schemas.rationale import RATIONALE_COUNTS, RATIONALES

NOTES, LABS = (Path(f"results/x/mimic3/rationale/chatgpt/{part}.parquet") for part in ("notes", "labs"))
CLAIM = "it claims a diagnosis that was not given: {}"


def tables(train: int = 200, validation: int = 40, test: int = 60, **changes: dict) -> tuple[pa.Table, pa.Table]:
    """Samples, a patient each, and good rationales except for `changes`: columns by `s` and the stay's number."""
    splits = ["train"] * train + ["validation"] * validation + ["test"] * test
    stays = list(range(len(splits)))
    samples = pa.table({"stay_id": stays, "subject_id": stays, "hadm_id": stays, "split": splits}, SAMPLES.schema)
    plain = {"request": "r", "text": "t", "status": "good", "problems": None, "note_cut": 0}
    rows = [plain | {"stay_id": stay} | changes.get(f"s{stay}", {}) for stay in stays]
    return samples, pa.Table.from_pylist(rows, RATIONALES.schema)


def flawed(stays: range, problems: str) -> dict[str, dict]:
    return {f"s{stay}": {"status": "flawed", "problems": problems} for stay in stays}


def counted(path: Path, *made: pa.Table) -> dict[tuple[str, str, str], int | None]:
    table = RATIONALE_COUNTS.check(count_rationales(path, *made), "test")
    assert {(r["dataset"], r["teacher"]) for r in table.to_pylist()} == {("mimic3", "chatgpt")}
    return {(r["split"], r["kind"], r["value"]): r["stays"] for r in table.to_pylist()}


def test_statuses_problems_and_cuts_are_counted_by_split():
    changes = flawed(range(20), "it must be one sentence; " + CLAIM.format("shock"))
    changes |= flawed(range(20, 35), CLAIM.format("sepsis, stroke"))
    changes |= {f"s{stay}": {"note_cut": 100} for stay in range(240, 252)}
    made = tables(**changes)
    found = counted(NOTES, *made)
    assert found["train", "all", "all"] == 200
    assert found["train", "status", "good"] == 165 and found["train", "status", "flawed"] == 35
    assert found["train", "problem", "it must be one sentence"] == 20
    assert found["train", "problem", CLAIM.partition(": ")[0]] == 35
    assert found["test", "note", "cut"] == 12 and found["test", "note", "whole"] == 48
    assert not [key for key in found if key[:2] == ("test", "problem")]
    characters = {
        r["value"]: r["characters"] for r in count_rationales(NOTES, *made).to_pylist() if r["split"] == "test"
    }
    assert characters["cut"] == 1200 and characters["whole"] is None
    labs = counted(LABS, *made)
    assert labs["train", "status", "flawed"] == 35 and not [key for key in labs if key[1] == "note"]


def answered(samples: pa.Table) -> list[dict]:
    """Counts of an asked model on 60 test stays: 15 answers are flawed, 20 notes are cut."""
    test = [row["stay_id"] for row in samples.to_pylist() if row["split"] == "test"]
    rows = [
        {"stay_id": stay, "status": "flawed" if n < 15 else "good", "problems": "no" if n < 15 else None}
        | {"output": "x", "predicted": [], "unknown": [], "requests": [], "true": [], "note_cut": 5 * (n < 20)}
        for n, stay in enumerate(test)
    ]
    path = Path("results/x/mimic3/asked/llama-zero-shot/predictions.parquet")
    table = count_rationales(path, samples, pa.Table.from_pylist(rows, PREDICTIONS.schema))
    return RATIONALE_COUNTS.check(table, "test").to_pylist()


def test_answers_of_a_model_that_is_asked_are_counted_on_the_test_split_with_the_notes_that_were_cut():
    table = answered(tables()[0])
    assert {(r["teacher"], r["rationale"], r["split"]) for r in table} == {("llama-zero-shot", "answer", "test")}
    found = {(r["kind"], r["value"]): (r["stays"], r["characters"]) for r in table}
    assert found == {
        ("all", "all"): (60, None),
        ("status", "flawed"): (15, None),
        ("status", "good"): (45, None),
        ("problem", "no"): (15, None),
        ("note", "cut"): (20, 100),
        ("note", "whole"): (40, None),
    }
    page = rationale_card(pa.Table.from_pylist(table, RATIONALE_COUNTS.schema), "keep", [], templates("rationales"))
    assert "mimic3, llama-zero-shot" in page and "all answers" in page


@pytest.mark.parametrize("few", [1, 10])
def test_counts_of_few_patients_are_hidden_and_cannot_be_computed(few):
    changes = {stay: row | {"note_cut": 7} for stay, row in flawed(range(few), "it must be one sentence").items()}
    found = counted(NOTES, *tables(**changes))
    assert found["train", "all", "all"] == 200
    for kind, value in (
        *(("status", "flawed"), ("status", "good"), ("problem", "it must be one sentence")),
        *(("note", "cut"), ("note", "whole")),
    ):
        assert found["train", kind, value] is None
    assert {r["characters"] for r in count_rationales(NOTES, *tables(**changes)).to_pylist()} == {None}


def test_a_small_split_hides_the_next_one_too():
    """The data card shows the total, from which a single hidden split would follow."""
    found = counted(NOTES, *tables(validation=9))
    assert {value for (split, *_), value in found.items() if split != "train"} == {None}
    assert found["train", "all", "all"] == 200
    # The same for a model that is asked only about the test split.
    assert {row["stays"] for row in answered(tables(validation=9)[0])} == {None}


@pytest.mark.parametrize(
    ("choice", "words"), [("keep", "keeps samples with"), ("leave_out", "leaves out samples with")]
)
def test_the_page_says_what_training_does_and_escapes_what_servers_say(choice, words):
    hostile = "HTTP status 400 <script>alert(1)</script>"
    changes = {f"s{stay}": {"status": "refused", "text": "", "problems": hostile} for stay in range(30)}
    counts = count_rationales(NOTES, *tables(**changes))
    text = rationale_card(counts, choice, ["template LLM"], templates("rationales"))
    assert words in " ".join(text.split()) and f"marked_samples: {choice}" in text and "template LLM" in text
    assert "mimic3, chatgpt" in text and "<td>170</td>" in text and "<td>30</td>" in text
    assert "<script>alert" not in text and "HTTP status 400 &lt;script&gt;" in text
    assert text == rationale_card(counts, choice, ["template LLM"], templates("rationales"))
