"""The data card of tokens: shares of cut texts, and nothing about few patients."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pytest
from pages import templates

from clinragen.evaluate.token_card import text_lengths, token_card
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.train import NOTE_TOKENS, TARGET_TOKENS, TEXT_LENGTHS

NOTES = Path("results/mimic3/train/flan-t5-small/note_tokens.arrow")
TARGETS = Path("/train/results/mimic3/train/flan-t5-small/rationales-chatgpt+short/target_tokens.arrow")
LIMIT = 100


def tables(splits: dict[str, tuple[int, int]], kind=NOTE_TOKENS, patients: int | None = None):
    """Samples and tokens of splits, each of (cut, whole) texts; by default as many patients as stays."""
    samples, tokens = [], []
    for split, (cut, whole) in splits.items():
        for i in range(cut + whole):
            stay = len(samples)
            length = LIMIT + 50 + i if i < cut else 40 + i % 3
            samples.append({"stay_id": stay, "subject_id": stay % (patients or 10**6), "hadm_id": stay, "split": split})
            row = {"stay_id": stay, "split": split, "tokens": [1] * min(LIMIT, length), "whole": length}
            tokens.append(row | {"sections": [0] * min(LIMIT, length), "marked": False})
    rows = [{name: row[name] for name in kind.schema.names} for row in tokens]
    return pa.Table.from_pylist(samples, SAMPLES.schema), pa.Table.from_pylist(rows, kind.schema)


def found(splits, path=NOTES, **options) -> list[dict]:
    return TEXT_LENGTHS.check(text_lengths(path, *tables(splits, **options)), "test").to_pylist()


def test_texts_cut_share_and_quantiles_of_the_whole_texts_by_split():
    train, test = found({"train": (60, 180), "test": (20, 20)})
    assert (train["dataset"], train["tokens"], train["text"]) == ("mimic3", "flan-t5-small", "note")
    assert (train["split"], train["texts"], train["cut"], train["share_cut"]) == ("train", 240, 60, 0.25)
    assert 40 <= train["median"] <= 42 and LIMIT < train["p95"] < LIMIT + 120
    assert found({"train": (30, 90)})[0]["p95"] is None  # six patients are beyond
    assert (test["split"], test["cut"], test["share_cut"]) == ("test", 20, 0.5)


def test_targets_are_named_by_language_model_target_and_variant():
    (row,) = found({"train": (20, 20)}, TARGETS, kind=TARGET_TOKENS)
    assert (row["dataset"], row["text"]) == ("mimic3", "target")
    (of_phase2,) = found({"train": (20, 20)}, TARGETS.with_name("lab_target_tokens.arrow"), kind=TARGET_TOKENS)
    assert of_phase2 == row | {"text": "lab target"}
    assert row["tokens"] == "flan-t5-small/rationales-chatgpt+short"


@pytest.mark.parametrize("splits", [{"train": (5, 100)}, {"train": (100, 5)}])
def test_cuts_of_few_patients_are_hidden_and_so_is_their_share(splits):
    (row,) = found(splits)
    assert row["texts"] == 105 and row["cut"] is None and row["share_cut"] is None


def test_zero_cuts_are_shown():
    (row,) = found({"train": (0, 50)})
    assert (row["cut"], row["share_cut"]) == (0, 0.0)


def test_a_split_of_few_patients_is_hidden_with_one_that_would_reveal_it():
    rows = found({"train": (0, 100), "validation": (0, 5), "test": (0, 40)})
    assert [row["texts"] for row in rows] == [100, None, None]
    assert all(row["median"] is row["p95"] is row["share_cut"] is None for row in rows[1:])


def test_a_hidden_split_cannot_be_computed_from_files_without_it():
    """A split that is hidden for notes is hidden for targets too, although targets have no test split."""
    samples, tokens = tables({"train": (0, 100), "validation": (0, 40), "test": (0, 5)}, TARGET_TOKENS)
    learned = tokens.filter(pa.compute.not_equal(tokens["split"], "test"))
    rows = text_lengths(TARGETS, samples, learned).to_pylist()
    assert [(row["split"], row["texts"]) for row in rows] == [("train", 100), ("validation", None)]


def test_many_stays_of_few_patients_are_hidden():
    (row,) = found({"train": (0, 100)}, patients=5)
    assert row["texts"] is None and row["median"] is None


def test_the_page_has_every_row():
    table = text_lengths(NOTES, *tables({"train": (30, 90), "test": (5, 60)}))
    page = token_card(table, ["synthetic notes"], templates("tokens"))
    assert "25.0 %" in page and "synthetic notes" in page and 'class="hidden"' in page
