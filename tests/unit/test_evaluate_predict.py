"""Every test sample gets its output, whatever the batches."""

import pyarrow as pa
import pytest
import torch
from toy_student import PHENOTYPES, STEPS, files, student, tokenizer, write_tables

from clinragen.config.evaluate import Decoding
from clinragen.errors import UserError
from clinragen.evaluate import outcomes
from clinragen.evaluate.predict import predict
from clinragen.model.inputs import Collator, read_samples
from clinragen.model.student import Student
from clinragen.schemas.predictions import PREDICTIONS

TESTS = 7


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("predict")
    write_tables(directory / "tables", test=TESTS)
    for modality in ("notes", "labs", "both"):
        student(modality).save(directory / modality, tokenizer())
    student("both", lab_position="suffix").save(directory / "suffix", tokenizer())
    # Encodes as many patches as the longest stay of a batch has.
    own = {"series_encoder__mask_padding": True, "series_encoder__token": "last_of_stay"}
    student("both", **own).save(directory / "own patches", tokenizer())
    return directory


def predicted(place, model: str, batch: int = 4, beams: int = 1, device: str = "cpu"):
    samples = read_samples(files(place / "tables", None), "test")
    table = predict(place / model, samples, PHENOTYPES, decoding(device=device, beams=beams), batch)
    return PREDICTIONS.check(table, "test")


def decoding(**changes) -> Decoding:
    return Decoding(
        **{"device": "cpu", "beams": 1, "max_new_tokens": 10, "write": "all", "precision": "fp32"} | changes
    )


def test_all_test_samples_in_the_order_of_stays(place):
    table = predicted(place, "both", batch=3)
    assert table["stay_id"].to_pylist() == sorted(range(980, 980 - TESTS, -1))
    assert table["true"].to_pylist()[-1] == ["Shock"] and table["true"].to_pylist()[-2] == ["Essential hypertension"]


def test_every_output_belongs_to_its_sample(place):
    model, table = student("both"), predicted(place, "both", batch=3)
    samples = read_samples(files(place / "tables", None), "test")
    for sample, output in zip(samples, table["output"].to_pylist(), strict=True):
        row = Collator(tokenizer(), STEPS)([sample])
        ids = model.generate(row, max_new_tokens=10, do_sample=False)
        assert tokenizer().batch_decode(ids, skip_special_tokens=True) == [output]


@pytest.mark.parametrize("model", ["notes", "labs", "both", "suffix", "own patches"])
@pytest.mark.parametrize("beams", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_batches_change_no_output(place, model, beams):
    alone = predicted(place, model, batch=1, beams=beams)
    for batch in (3, 64):
        assert alone.equals(predicted(place, model, batch=batch, beams=beams))
    assert len(set(alone["output"].to_pylist())) > 1 or model == "labs"


@pytest.mark.parametrize("model", ["notes", "labs", "both"])
def test_the_order_of_the_samples_changes_no_output(place, model):
    samples = read_samples(files(place / "tables", None), "test")
    first = predict(place / model, samples, PHENOTYPES, decoding(), 3)
    other = [*samples[4:], *reversed(samples[:4])]
    assert predict(place / model, other, PHENOTYPES, decoding(), 3).sort_by("stay_id").equals(first)


@pytest.mark.parametrize("model", ["labs", "both"])
def test_half_precision_of_the_whole_student_predicts_from_the_same_checkpoint(place, model, monkeypatch):
    found = set()

    def watched(encoder, _mask, embedded):
        found.add((torch.is_autocast_enabled("cpu"), embedded[0].dtype))

    load = Student.load

    def loaded(checkpoint, **options):
        made = load(checkpoint, **options)
        made.encoder.register_forward_hook(watched)
        return made

    monkeypatch.setattr(Student, "load", loaded)
    samples = read_samples(files(place / "tables", None), "test")
    table = predict(place / model, samples, PHENOTYPES, decoding(precision="bf16"), 4)
    assert PREDICTIONS.check(table, "test").num_rows == TESTS
    assert found == {(True, torch.float32)}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_asked_for_and_is_not_there_is_an_error(place):
    with pytest.raises(UserError, match=r"evaluate\.decoding\.device is cuda, but PyTorch sees no GPU here"):
        predicted(place, "notes", device="cuda")


def test_a_gpu_that_is_too_small_is_an_error_that_says_what_to_lower(place, monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Student, "generate", full)
    with pytest.raises(UserError, match=r"lower evaluate\.batch"):
        predicted(place, "notes")


def writes(monkeypatch, *texts: str, ended: bool = True) -> None:
    """Let every student write these texts, one per sample of a batch, with an end mark or cut."""
    ids = [tokenizer()(text)["input_ids"][: None if ended else -1] for text in texts]
    longest = max(map(len, ids))
    padded = torch.tensor([row + [tokenizer().pad_token_id] * (longest - len(row)) for row in ids])
    monkeypatch.setattr(Student, "generate", lambda self, batch, **_: padded[: len(batch["input_ids"])])


def test_the_parsed_names_are_those_of_the_output(place, monkeypatch):
    text = "Diagnoses: Shock, Gout. Lab rationale: x"
    writes(monkeypatch, *[text] * 4)
    table = predicted(place, "notes", batch=4)
    assert set(table["output"].to_pylist()) == {text}
    assert table["predicted"].to_pylist() == [["Shock"]] * TESTS and table["unknown"].to_pylist() == [["gout"]] * TESTS


def test_every_output_has_its_end_and_its_tokens(place, monkeypatch):
    texts = ["Diagnoses: Shock.", "Diagnoses: Shock. Lab rationale: cold"]
    lengths = [len(tokenizer()(text)["input_ids"]) for text in texts]
    writes(monkeypatch, *texts)
    table = predicted(place, "notes", batch=2)
    assert set(table["end"].to_pylist()) == {"end_mark"} and set(table["tokens"].to_pylist()) == set(lengths)
    writes(monkeypatch, "Diagnoses: Shock, Cardia", ended=False)
    cut = predicted(place, "notes", batch=1)
    assert set(cut["end"].to_pylist()) == {"limit"}
    # The last name is cut with the output.
    assert cut["predicted"].to_pylist() == [["Cardiac dysrhythmias", "Shock"]] * TESTS


def test_a_random_student_writes_up_to_the_limit(place):
    table = predicted(place, "both")
    assert set(table["end"].to_pylist()) == {"limit"} and set(table["tokens"].to_pylist()) == {10}
    report = outcomes.report(table)
    assert {"outputs: 7", "ended by limit: 7", "without readable diagnoses: 7"} <= report


def test_unknown_names_are_logged_only_where_many_outputs_have_them(caplog):
    def table(number: int):
        row = {"output": "", "predicted": [], "unknown": ["gout", "gout"], "readable": True, "end": "limit"}
        return pa.Table.from_pylist([row | {"stay_id": i, "true": []} for i in range(number)], PREDICTIONS.schema)

    caplog.set_level("INFO")
    assert "names that are no phenotype: 20" in outcomes.report(table(10)) and "gout" not in caplog.text
    outcomes.report(table(11))
    assert "no phenotype, in 11 outputs: gout" in caplog.text


def test_no_test_samples_give_an_empty_table(tmp_path):
    write_tables(tmp_path / "tables", test=0)
    student("notes").save(tmp_path / "notes", tokenizer())
    assert predicted(tmp_path, "notes", batch=2).num_rows == 0
