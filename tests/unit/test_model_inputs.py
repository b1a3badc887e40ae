"""Samples as the student reads them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from toy_student import CHANNELS, STEPS, TEXTS, files, tokenizer, write_tables

from clinragen.config.student import Texts
from clinragen.errors import UserError
from clinragen.model.inputs import IGNORED, INSTRUCTION, Collator, Sample, channels_of, encode, pad_series, read_samples
from clinragen.model.vocabulary import read_vocabulary
from clinragen.schemas.benchmark import SAMPLES, SERIES
from clinragen.schemas.rationale import RATIONALES


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"))


def sample(note: str, target: str = "Diagnoses: Shock.") -> Sample:
    return Sample(1, note, target, np.zeros((STEPS, CHANNELS), np.float32), ["Shock"])


def test_a_short_series_is_padded_with_its_last_row():
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert pad_series(grid, 4).tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]


def test_a_long_series_is_cut_at_the_end():
    grid = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert pad_series(grid, 2).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.array_equal(pad_series(grid, 3), grid)


@pytest.mark.parametrize(("split", "count"), [("train", 16), ("validation", 4), ("test", 5)])
def test_only_the_part_that_is_asked_for_in_the_order_of_stays(tables, split, count):
    samples = read_samples(files(tables), split)
    stays = [s.stay_id for s in samples]
    first = {"train": 1000, "validation": 984, "test": 980}[split]
    assert stays == sorted(range(first, first - count, -1))
    assert all(s.series.shape[1] == CHANNELS and s.series.dtype == np.float32 for s in samples)
    assert len({len(s.series) for s in samples}) > 1


def test_values_lie_step_by_step(tmp_path, tables):
    rows = [{"stay_id": 1000, "steps": 2, "values": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "measured": [True] * 6}]
    SERIES.write(pa.Table.from_pylist(rows, SERIES.schema), tmp_path / "series.arrow")
    alone = [{"stay_id": 1000, "subject_id": 1000, "hadm_id": 1000, "split": "train"}]
    SAMPLES.write(pa.Table.from_pylist(alone, SAMPLES.schema), tmp_path / "samples.parquet")
    used = replace(files(tables), samples=tmp_path / "samples.parquet", series=[tmp_path / "series.arrow"])
    (found,) = read_samples(used, "train")
    assert found.series.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert channels_of(used.series) == CHANNELS


def test_series_stay_in_the_mapped_file_until_a_batch_is_made(tmp_path, tables):
    """Of four times 2 MB nothing is in memory but the batch."""
    steps, splits = 5_000, {"train": [1000, 999], "validation": [984, 983]}
    for split, stays in splits.items():
        with SERIES.writer(tmp_path / f"{split}.arrow") as out:
            for stay in stays:
                row = {"stay_id": [stay], "steps": [steps], "measured": [[True] * steps * 100]}
                out.write(pa.table(row | {"values": pa.array([np.full(steps * 100, stay, np.float32)])}))
    rows = [{"stay_id": s, "subject_id": s, "hadm_id": s, "split": p} for p, stays in splits.items() for s in stays]
    SAMPLES.write(pa.Table.from_pylist(rows, SAMPLES.schema), tmp_path / "samples.parquet")
    series = [tmp_path / f"{split}.arrow" for split in splits]
    used = replace(files(tables), samples=tmp_path / "samples.parquet", series=series)
    before = pa.total_allocated_bytes()
    samples = [s for split in splits for s in read_samples(used, split)]
    assert pa.total_allocated_bytes() - before < 1e5
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps if line.endswith(".arrow")]
    for sample in samples:
        assert not sample.series.flags.owndata and (sample.series == sample.stay_id).all()
        first = sample.series.ctypes.data
        assert any(low <= first and first + sample.series.nbytes <= high for low, high in mapped)
    batch = Collator(tokenizer(), 10)(encode(samples, tokenizer(), TEXTS))["series"]
    assert batch.shape == (4, 10, 100) and batch[:, -1, 0].tolist() == [999, 1000, 983, 984]


def test_a_batch_of_series_of_all_lengths_is_padded_when_it_is_made(tables):
    samples = read_samples(files(tables), "train")
    assert {len(s.series) > STEPS for s in samples} == {True, False}
    found = Collator(tokenizer(), STEPS)(encode(samples, tokenizer(), TEXTS))["series"]
    assert found.shape == (len(samples), STEPS, CHANNELS)
    for sample, row in zip(samples, found.numpy(), strict=True):
        kept = min(len(sample.series), STEPS)
        assert (row[:kept] == sample.series[:kept]).all() and (row[kept:] == sample.series[-1]).all()


def test_targets_of_phases_1_and_3_hold_all_parts(tables):
    found = read_samples(files(tables), "train")[-1]
    assert found.stay_id == 1000 and found.phenotypes == ["Shock"]
    note, lab = "Based on the medical notes, pressor fluids cold.", "Lab test shows level 2.0."
    assert found.target == f"Diagnoses: Shock. Note rationale: {note} Lab rationale: {lab}"


def test_targets_of_phase_2_lack_the_note_rationale(tables):
    found = read_samples(files(tables), "train", with_note_rationale=False)[-1]
    assert found.target == "Diagnoses: Shock. Lab rationale: Lab test shows level 2.0."


@pytest.mark.parametrize("with_note_rationale", [True, False])
def test_without_rationales_targets_are_diagnoses_alone(tables, with_note_rationale):
    found = read_samples(files(tables, with_rationales=False), "train", with_note_rationale)[-1]
    assert found.target == "Diagnoses: Shock."


def test_long_notes_and_targets_are_cut_at_the_end():
    (row,) = encode(
        [sample("cold " * 50, "Diagnoses: Shock. " * 50)],
        tokenizer(),
        Texts.model_construct(max_note_tokens=10, max_target_tokens=6),
    )
    assert (len(row["input_ids"]), len(row["labels"]), row["length"]) == (10, 6, 16)
    assert row["input_ids"][-1] == row["labels"][-1] == tokenizer().eos_token_id
    assert tokenizer().decode(row["input_ids"], skip_special_tokens=True).startswith(INSTRUCTION[:10])


def test_a_batch_is_padded_to_its_longest_sample():
    rows = encode([sample("cold"), sample("pressor fluids cold", "Diagnoses: no disease.")], tokenizer(), TEXTS)
    found = Collator(tokenizer(), STEPS)(rows)
    lengths = [len(r["input_ids"]) for r in rows]
    assert found["input_ids"].shape == found["attention_mask"].shape == (2, max(lengths))
    assert found["attention_mask"].sum(1).tolist() == lengths
    assert (found["input_ids"][found["attention_mask"] == 0] == tokenizer().pad_token_id).all()
    assert (found["labels"] != IGNORED).sum(1).tolist() == [len(r["labels"]) for r in rows]
    assert found["series"].shape == (2, STEPS, CHANNELS) and found["series"].dtype == torch.float32


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


def test_what_is_not_read_is_in_no_batch(tables):
    notes, labs = replace(files(tables), series=[]), replace(files(tables), courses=None)
    for used, steps, present in ((notes, None, {"input_ids", "attention_mask"}), (labs, STEPS, {"series", "steps"})):
        rows = encode(read_samples(used, "test"), tokenizer(), TEXTS)
        assert set(Collator(tokenizer(), steps)(rows)) == present | {"labels", "sections"}


def test_a_stay_without_rationale_is_an_error_not_a_shorter_target(tables, tmp_path):
    RATIONALES.write(pa.Table.from_pylist([], RATIONALES.schema), tmp_path / "notes.parquet")
    used = replace(files(tables), rationales=[tmp_path / "notes.parquet", tables / "labs.parquet"])
    with pytest.raises(KeyError):
        read_samples(used, "train")


def test_a_marked_rationale_marks_its_sample_and_one_without_text_is_no_part_of_the_target(tables, tmp_path):
    rows = RATIONALES.read(tables / "notes.parquet").to_pylist()
    before = {s.stay_id: s for s in read_samples(files(tables), "train")}
    flawed, refused = list(before)[:2]
    marks = {flawed: {"status": "flawed"}, refused: {"status": "refused", "text": ""}}
    changed = [row | marks.get(row["stay_id"], {}) for row in rows]
    RATIONALES.write(pa.Table.from_pylist(changed, RATIONALES.schema), tmp_path / "notes.parquet")
    used = replace(files(tables), rationales=[tmp_path / "notes.parquet", tables / "labs.parquet"])
    after = {s.stay_id: s for s in read_samples(used, "train")}
    assert {stay for stay, sample in after.items() if sample.marked} == {flawed, refused}
    assert after[flawed].target == before[flawed].target
    assert "Note rationale:" not in after[refused].target and "Lab rationale:" in after[refused].target
    # Phase 2 has no R^m, and so nothing that could be marked.
    assert not any(s.marked for s in read_samples(used, "train", with_note_rationale=False))


def test_what_is_longer_than_the_texts_may_be_is_told(tables):
    samples = read_samples(files(tables), "test")
    assert all(row["cut"] == set() for row in encode(samples, tokenizer(), TEXTS))
    lengths = [len(row["input_ids"]) for row in encode(samples, tokenizer(), TEXTS)]
    most = sorted(lengths)[len(lengths) // 2]
    rows = encode(samples, tokenizer(), Texts(max_note_tokens=most, max_target_tokens=8))
    assert [row["cut"] for row in rows] == [{"target", "note"} if n > most else {"target"} for n in lengths]
    assert {len(row["labels"]) for row in rows} == {8} and max(len(row["input_ids"]) for row in rows) == most
