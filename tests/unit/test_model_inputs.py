"""Samples as the student reads them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from toy_student import CHANNELS, STEPS, files, tokenizer, write_tables

from clinragen.errors import UserError
from clinragen.model.inputs import (
    IGNORED,
    Collator,
    channels_of,
    pad_series,
    read_samples,
    with_room_for_captions,
)
from clinragen.model.vocabulary import read_vocabulary
from clinragen.registry.features import CATEGORIES
from clinragen.registry.tokenizer import marks_of
from clinragen.schemas.benchmark import SERIES
from clinragen.schemas.train import NOTE_TOKENS


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"))


def test_a_short_series_is_padded_with_its_last_row():
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert pad_series(grid, 4).tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]


def test_a_long_series_is_cut_at_the_end():
    grid = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert pad_series(grid, 2).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.array_equal(pad_series(grid, 3), grid)


@pytest.mark.parametrize(("split", "count"), [("train", 16), ("validation", 4), ("test", 5)])
def test_only_the_part_that_is_asked_for_in_the_order_of_stays(tables, split, count):
    samples = read_samples(files(tables, None if split == "test" else "target"), split)
    first = {"train": 1000, "validation": 984, "test": 980}[split]
    assert [s["stay_id"] for s in samples] == sorted(range(first, first - count, -1))
    assert all(s["series"].shape[1] == CHANNELS and s["series"].dtype == np.float32 for s in samples)
    assert len({len(s["series"]) for s in samples}) > 1
    assert all(s["phenotypes"] in (["Shock"], ["Essential hypertension"]) for s in samples)


def test_values_lie_step_by_step(tmp_path):
    tables = write_tables(tmp_path, train=1, validation=0, test=0)
    rows = [{"stay_id": 1000, "steps": 2, "values": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "measured": [True] * 6}]
    SERIES.write(pa.Table.from_pylist(rows, SERIES.schema), tmp_path / "series.arrow")
    used = replace(files(tables), series=[tmp_path / "series.arrow"])
    (found,) = read_samples(used, "train")
    assert found["series"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert channels_of(used.series) == CHANNELS


def test_a_file_that_lacks_a_stay_is_named(tables, tmp_path):
    rows = [row for row in NOTE_TOKENS.read(tables / "note_tokens.arrow").to_pylist() if row["stay_id"] != 1000]
    NOTE_TOKENS.write(pa.Table.from_pylist(rows, NOTE_TOKENS.schema), tmp_path / "note_tokens.arrow")
    used = replace(files(tables), notes=tmp_path / "note_tokens.arrow")
    with pytest.raises(
        UserError, match=r"note_tokens\.arrow: 1 stays of the train split are missing; make the file again"
    ):
        read_samples(used, "train")


def test_tokens_and_series_stay_in_the_mapped_files_until_a_batch_is_made(tmp_path):
    """Of some megabytes nothing is in memory but the batch."""
    tables = write_tables(tmp_path, train=2, validation=2, test=0)
    steps = 5_000
    for split, stays in {"train": [1000, 999], "validation": [998, 997]}.items():
        with SERIES.writer(tmp_path / f"series_{split}.arrow") as out:
            for stay in stays:
                row = {"stay_id": [stay], "steps": [steps], "measured": [[True] * steps * 100]}
                out.write(pa.table(row | {"values": pa.array([np.full(steps * 100, stay, np.float32)])}))
    rows = NOTE_TOKENS.read(tables / "note_tokens.arrow").to_pylist()
    long = [row | {"tokens": [row["stay_id"]] * 500_000} for row in rows]
    NOTE_TOKENS.write(pa.Table.from_pylist(long, NOTE_TOKENS.schema), tables / "note_tokens.arrow")
    before = pa.total_allocated_bytes()
    samples = [s for split in ("train", "validation") for s in read_samples(files(tables), split)]
    assert pa.total_allocated_bytes() - before < 1e5
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps if line.endswith(".arrow")]
    for sample in samples:
        for name in ("series", "input_ids", "labels", "sections"):
            assert not sample[name].flags.owndata
            first = sample[name].ctypes.data
            assert any(low <= first and first + sample[name].nbytes <= high for low, high in mapped), name
        assert (sample["series"] == sample["stay_id"]).all() and (sample["input_ids"] == sample["stay_id"]).all()
    batch = Collator(tokenizer(), 10)(samples)
    assert batch["series"].shape == (4, 10, 100) and batch["series"][:, -1, 0].tolist() == [999, 1000, 997, 998]
    assert batch["input_ids"].shape == (4, 500_000)


def test_a_batch_of_series_of_all_lengths_is_padded_when_it_is_made(tables):
    samples = read_samples(files(tables), "train")
    assert {len(s["series"]) > STEPS for s in samples} == {True, False}
    found = Collator(tokenizer(), STEPS)(samples)["series"]
    assert found.shape == (len(samples), STEPS, CHANNELS)
    for sample, row in zip(samples, found.numpy(), strict=True):
        kept = min(len(sample["series"]), STEPS)
        assert (row[:kept] == sample["series"][:kept]).all() and (row[kept:] == sample["series"][-1]).all()


def test_a_batch_is_padded_to_its_longest_sample(tables):
    rows = read_samples(files(tables), "train")
    found = Collator(tokenizer(), STEPS)(rows)
    lengths = [len(r["input_ids"]) for r in rows]
    assert len(set(lengths)) > 1 and [r["length"] for r in rows] == [
        n + len(r["labels"]) for n, r in zip(lengths, rows, strict=True)
    ]
    assert found["input_ids"].shape == found["attention_mask"].shape == (len(rows), max(lengths))
    assert found["attention_mask"].sum(1).tolist() == lengths
    assert (found["input_ids"][found["attention_mask"] == 0] == tokenizer().pad_token_id).all()
    assert found["input_ids"].dtype == found["labels"].dtype == torch.int64
    for row, labels, sections in zip(rows, found["labels"], found["sections"], strict=True):
        kept = len(row["labels"])
        assert labels[:kept].tolist() == row["labels"].tolist() and (labels[kept:] == IGNORED).all()
        assert sections[:kept].tolist() == row["sections"].tolist()
    assert found["series"].shape == (len(rows), STEPS, CHANNELS) and found["series"].dtype == torch.float32


def test_the_vocabulary_is_read(tables):
    assert read_vocabulary(tables / "vocabulary.json", tokenizer()) == list(range(10, 40))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": {"class": "Other", "tokens": 9, "sha256": "0"}}, "made with another tokenizer"),
        ({"ids": []}, "no token"),
        ({"ids": [3, 10**6]}, "ids from 3 to 1000000, but the tokenizer has"),
        ({"ids": [-1, 3]}, "ids from -1 to 3"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(changes, words, tables, tmp_path):
    facts = json.loads((tables / "vocabulary.json").read_text(encoding="utf-8"))
    (tmp_path / "vocabulary.json").write_text(json.dumps(facts | changes), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_vocabulary(tmp_path / "vocabulary.json", tokenizer())


@pytest.mark.parametrize("text", ["", "{", "{}", '{"ids": [1]}'])
def test_a_torn_vocabulary_is_named(text, tmp_path):
    (tmp_path / "vocabulary.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"not a readable vocabulary.*knowledge_vocabulary again"):
        read_vocabulary(tmp_path / "vocabulary.json", tokenizer())


def test_captions_are_never_cut_the_note_before_them_is(tables):
    used = replace(files(tables), captions=tables / "caption_tokens.arrow")
    samples = read_samples(used, "train")
    lengths = [(len(s["input_ids"]), len(s["caption_ids"])) for s in samples]
    most = max(note + captions for note, captions in lengths) - 3
    assert max(note for note, _ in lengths) <= most  # no note is too long by itself
    end = marks_of(tokenizer()).end
    found = with_room_for_captions(samples, most, end)
    for (note, captions), sample, row in zip(lengths, samples, found, strict=True):
        assert row["caption_ids"].tolist() == sample["caption_ids"].tolist()
        whole = sample["input_ids"].tolist()
        assert whole[-1] == end  # and it stays where the note gives way
        kept = whole if note + captions <= most else [*whole[: most - captions - 1], end]
        assert row["input_ids"].tolist() == kept
        assert row["note_cut"] == (note + captions > most) and row["length"] <= most + len(row["labels"])
    assert {row["note_cut"] for row in found} == {True, False}
    # Also where they leave no room for a note at all.
    assert [len(row["caption_ids"]) for row in with_room_for_captions(samples, 2, end)] == [n for _, n in lengths]
    assert all(len(row["input_ids"]) == 0 for row in with_room_for_captions(samples, 2, end))


def test_features_are_a_share_of_a_century_and_places_in_their_lists(tables):
    samples = read_samples(replace(files(tables), features=tables / "features.parquet"), "train")
    found = Collator(tokenizer(), STEPS)(samples)
    ages = {s["stay_id"]: s["numbers"][0] for s in samples}
    assert found["numbers"].dtype == torch.float32 and found["numbers"][:, 0].tolist() == [
        ages[k] for k in sorted(ages)
    ]
    assert ages[1000] == pytest.approx(0.4) and ages[999] == pytest.approx(0.41)
    emergency, elective = (CATEGORIES["admission_type"].index(name) for name in ("EMERGENCY", "ELECTIVE"))
    places = {s["stay_id"]: s["categories"].tolist() for s in samples}
    assert places[1000] == [0, emergency] and places[999] == [1, elective]
    assert found["categories"].tolist() == [places[stay] for stay in sorted(places)]


def test_what_is_not_read_is_in_no_batch(tables):
    notes, labs, none = replace(files(tables), series=[]), replace(files(tables), notes=None), files(tables, None)
    targets, note, series = {"labels", "sections"}, {"input_ids", "attention_mask"}, {"series", "steps"}
    for used, split, present in (
        (notes, "train", note | targets),
        (labs, "train", series | targets),
        (none, "test", note | series),
    ):
        assert set(Collator(tokenizer(), STEPS)(read_samples(used, split))) == present
