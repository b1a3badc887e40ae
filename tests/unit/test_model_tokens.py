"""Notes and targets as tokens."""

import pyarrow as pa
import pytest
from toy_student import PHENOTYPES, TEXTS, files, tokenizer, write_tables, write_tokens

from clinragen.config.student import Texts
from clinragen.model.inputs import read_samples
from clinragen.model.target_codec import parse_output, write_target
from clinragen.model.tokens import INSTRUCTION, count_cut, cut_text, encode_notes, encode_targets, target_tokens
from clinragen.schemas.benchmark import LABELS, SAMPLES
from clinragen.schemas.rationale import RATIONALES
from clinragen.schemas.train import NOTE_TOKENS, TARGET_TOKENS


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"))


def texts(tables, name: str) -> dict[int, str]:
    rows = TARGET_TOKENS.read(tables / f"{name}_tokens.arrow").to_pylist()
    return {row["stay_id"]: tokenizer().decode(row["tokens"], skip_special_tokens=True) for row in rows}


def plain(text: str) -> str:
    return tokenizer().decode(tokenizer()(text)["input_ids"], skip_special_tokens=True)


def made(tables, on_notes, samples=None) -> list[dict]:
    """Targets of the tables with other rationales on the notes."""
    samples = SAMPLES.read(tables / "samples.parquet") if samples is None else samples
    on_labs = RATIONALES.read(tables / "labs.parquet")
    given = LABELS.read(tables / "labels.parquet"), (on_notes, on_labs), tokenizer(), TEXTS.max_target_tokens
    return pa.concat_tables(target_tokens(samples, *given)).to_pylist()


def test_all_notes_are_there_by_stay_after_the_instruction(tables):
    rows = NOTE_TOKENS.read(tables / "note_tokens.arrow").to_pylist()
    stays = [row["stay_id"] for row in rows]
    assert stays == sorted(stays) and len(rows) == 25
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    written = [tokenizer().decode(row["tokens"], skip_special_tokens=True) for row in rows]
    assert all(text.startswith(plain(INSTRUCTION)) and len(text) > len(INSTRUCTION) for text in written)


def test_targets_of_phases_1_and_3_hold_all_parts_and_those_of_phase_2_no_note_rationale(tables):
    note, lab = "Based on the medical notes, pressor fluids cold.", "Lab test shows level 2.0."
    whole = f"Diagnoses: Shock. Note rationale: {note} Lab rationale: {lab}"
    assert texts(tables, "target")[1000] == plain(whole)
    assert texts(tables, "lab_target")[1000] == plain(f"Diagnoses: Shock. Lab rationale: {lab}")
    assert texts(tables, "diagnoses")[1000] == plain("Diagnoses: Shock.")


def test_targets_are_those_of_the_splits_that_are_learned_from(tables):
    rows = TARGET_TOKENS.read(tables / "target_tokens.arrow").to_pylist()
    assert [row["split"] for row in rows].count("train") == 16 and len(rows) == 20
    assert {row["split"] for row in rows} == {"train", "validation"}
    assert all(row["sections"] == sorted(row["sections"]) and set(row["sections"]) == {0, 1, 2} for row in rows)


def test_long_texts_are_cut_at_the_end_and_their_whole_length_is_kept():
    whole = encode_notes(["cold " * 50], tokenizer(), 1000)[0]["tokens"]
    (note,) = encode_notes(["cold " * 50], tokenizer(), 10)
    assert len(note["tokens"]) == 10 and note["whole"] == len(whole) > 50
    (target,) = encode_targets(["Diagnoses: Shock. " * 50], tokenizer(), 6)
    (all_,) = encode_targets(["Diagnoses: Shock. " * 50], tokenizer(), 1000)
    assert len(target["tokens"]) == len(target["sections"]) == 6 and target["whole"] == len(all_["tokens"])
    assert note["tokens"][-1] == target["tokens"][-1] == tokenizer().eos_token_id
    assert all_["whole"] == len(all_["tokens"])


@pytest.mark.parametrize("shape", ["tiny", "tiny-opt", "tiny-qwen"])
@pytest.mark.parametrize("rationale_first", [False, True])
def test_a_target_that_is_cut_loses_the_end_of_its_rationales_and_no_diagnosis(rationale_first, shape):
    names = ["Shock", "Essential hypertension"]
    text = write_target(names, "cold " * 20, "tablet " * 20, rationale_first)
    (whole,) = encode_targets([text], tokenizer(shape), 1000)
    longest = len(whole["tokens"]) - 10
    (cut,) = encode_targets([text], tokenizer(shape), longest)
    assert len(cut["tokens"]) == len(cut["sections"]) == longest and cut["whole"] == whole["whole"] == longest + 10
    assert cut["tokens"][-1] == tokenizer(shape).eos_token_id
    found, full = (
        parse_output(tokenizer(shape).decode(row["tokens"], skip_special_tokens=True), PHENOTYPES)
        for row in (cut, whole)
    )
    assert set(found.phenotypes) == set(full.phenotypes) == set(names)
    assert found.note_rationale == full.note_rationale and len(found.lab_rationale) < len(full.lab_rationale)
    order = [1, 2, 0] if rationale_first else [0, 1, 2]
    assert cut["sections"] == sorted(cut["sections"], key=order.index) and cut["sections"].count(0) >= 4


def test_diagnoses_that_are_longer_than_a_target_are_cut_at_their_end():
    text = write_target(PHENOTYPES, "cold", rationale_first=True)
    (cut,) = encode_targets([text], tokenizer(), 6)
    assert len(cut["tokens"]) == 6 and cut["sections"] == [0] * 6
    assert tokenizer().decode(cut["tokens"]).startswith("Diagnoses:")


@pytest.mark.parametrize("shape", ["tiny", "tiny-opt", "tiny-qwen"])
def test_a_start_mark_is_left_to_the_language_model(shape):
    ids = tokenizer(shape)(INSTRUCTION + "cold")["input_ids"]
    (row,) = encode_notes(["cold"], tokenizer(shape), 1000)
    assert row["tokens"] == ids[shape == "tiny-opt" :] and row["whole"] == len(row["tokens"])


def test_what_is_cut_is_counted_by_split(tables, tmp_path):
    write_tables(tmp_path)
    lengths = {row["stay_id"]: row["whole"] for row in NOTE_TOKENS.read(tables / "note_tokens.arrow").to_pylist()}
    longest = sorted(lengths.values())[len(lengths) // 2]
    write_tokens(tmp_path, Texts(max_note_tokens=longest, max_target_tokens=8))
    found = {split: read_samples(files(tmp_path), split) for split in ("train", "validation")}
    assert all(s["note_cut"] == (lengths[s["stay_id"]] > longest) for rows in found.values() for s in rows)
    assert all(s["target_cut"] and len(s["labels"]) == 8 for rows in found.values() for s in rows)
    counts = count_cut(NOTE_TOKENS.read(tmp_path / "note_tokens.arrow"))
    assert counts["train texts"] == 16
    assert f"{counts['train cut']} of 16 in the train split" in cut_text(counts)
    assert counts["train cut"] == sum(s["note_cut"] for s in found["train"]) > 0


def test_a_stay_without_rationale_is_an_error_not_a_shorter_target(tables):
    with pytest.raises(KeyError):
        made(tables, pa.Table.from_pylist([], RATIONALES.schema))


def test_a_marked_rationale_marks_its_sample_and_one_without_text_is_no_part_of_the_target(tables):
    rows = RATIONALES.read(tables / "notes.parquet").to_pylist()
    before = {row["stay_id"]: row["tokens"] for row in made(tables, pa.Table.from_pylist(rows, RATIONALES.schema))}
    flawed, refused = list(before)[:2]
    marks = {flawed: {"status": "flawed"}, refused: {"status": "refused", "text": ""}}
    changed = [row | marks.get(row["stay_id"], {}) for row in rows]
    after = {row["stay_id"]: row for row in made(tables, pa.Table.from_pylist(changed, RATIONALES.schema))}
    assert {stay for stay, row in after.items() if row["marked"]} == {flawed, refused}
    assert after[flawed]["tokens"] == before[flawed]
    assert set(after[refused]["sections"]) == {0, 2}
    # Phase 2 has no R^m, and so nothing that could be marked.
    assert not any(row["marked"] for row in made(tables, None))
