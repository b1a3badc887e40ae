"""The three phases through their scripts: what each trains, what it leaves alone."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from toy_student import (
    CHANNELS,
    STEPS,
    changed,
    command,
    files,
    losses,
    run,
    tokenizer,
    weights,
    write_site,
    write_tokens,
)

from clinragen.model.inputs import IGNORED, Collator, read_samples
from clinragen.model.student import Student
from clinragen.schemas.rationale import RATIONALES
from clinragen.train.loss import token_losses
from clinragen.train.phases import encode_series

SERIES_PARTS = {"encoder", "attention", "identity"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A directory with tables and backbone."""
    return write_site(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def train(place, fork_python) -> Callable[..., str]:
    """A function that trains one phase there and returns the log."""

    def trained(phase: int, name: str, freeze_encoder: bool = False, phase2: str = "phase2", **changes: object) -> str:
        start = {
            1: ["--backbone", place / "given" / "backbone"],
            2: ["--phase1", place / "phase1", "--vocabulary", place / "tables" / "vocabulary.json"],
            3: ["--phase2", place / phase2, "--freeze-encoder", freeze_encoder],
        }[phase]
        line = command(f"train_phase{phase}", place / "tables", place / name, *start, **changes)
        return run(line, (str(fork_python),))

    return trained


@pytest.fixture(scope="module")
def chain(place, train) -> Path:
    """The directory with the models of the three phases too, and the log of each."""
    for phase in (1, 2, 3):
        (place / f"phase{phase}.log").write_text(train(phase, f"phase{phase}"))
    return place


def record(model: Path) -> dict:
    return json.loads((model.parent / ".records" / f"{model.name}.json").read_text(encoding="utf-8"))


def parts(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_phase_1_trains_the_language_model_alone(chain):
    found = weights(chain / "phase1")
    assert parts(set(found)) == {"backbone"}
    start = load_file(chain / "given" / "backbone" / "model.safetensors")
    assert len(changed({f"backbone.{k}": v for k, v in start.items()}, found)) > 0.9 * len(start)


def test_phase_2_changes_no_bit_of_the_language_model(chain):
    before, after = weights(chain / "phase1"), weights(chain / "phase2")
    assert set(before) < set(after) and changed(before, after) == set()
    assert parts(set(after)) == SERIES_PARTS | {"backbone"}


@pytest.fixture(scope="module")
def untrained(train, chain) -> dict[str, torch.Tensor]:
    """What phase 2 starts from: its rate is too low to change a weight."""
    train(2, "untrained", learning_rate=1e-12, epochs=1)
    return weights(chain / "untrained")


def test_phase_2_trains_encoder_and_attention(chain, untrained):
    moved = changed(untrained, weights(chain / "phase2"))
    assert parts(moved) == SERIES_PARTS
    assert {"attention.mixture.weight", "attention.query.weight", "attention.out.weight"} <= moved
    assert "attention.vocabulary" not in moved


def test_the_vocabulary_holds_the_embeddings_of_phase_1(chain):
    ids = json.loads((chain / "tables" / "vocabulary.json").read_text())["ids"]
    shared = weights(chain / "phase1")["backbone.shared.weight"]
    for phase in (2, 3):
        assert torch.equal(weights(chain / f"phase{phase}")["attention.vocabulary"], shared[ids])


def test_phase_3_trains_everything(chain):
    moved = changed(weights(chain / "phase2"), weights(chain / "phase3"))
    assert parts(moved) == SERIES_PARTS | {"backbone"} and "attention.vocabulary" not in moved


def test_phase_3_keeps_the_encoder_where_it_is_told_to(train, chain):
    train(3, "frozen", freeze_encoder=True)
    assert parts(changed(weights(chain / "phase2"), weights(chain / "frozen"))) == {"attention", "backbone", "identity"}


def test_a_frozen_encoder_reads_each_series_once_and_the_losses_are_the_same(place, chain, monkeypatch):
    """In the same order and to the last digits, whether the encoder is asked in every step or before the first."""
    tables = chain / "tables"
    samples = read_samples(files(tables), "train")
    student = Student.load(chain / "phase2", ("note", "series")).eval()
    student.freeze("encoder")
    collate = Collator(tokenizer(), STEPS)
    encoded = encode_series(student.encoder, samples, collate)
    before, after = collate(samples), collate(encoded)
    assert set(before) - set(after) == {"series", "steps"} and after["vectors"].shape == (16, CHANNELS, 16)
    monkeypatch.setattr(student.encoder, "forward", lambda *_: pytest.fail("the encoder was asked again"))
    with pytest.raises(pytest.fail.Exception):
        student(**{k: v for k, v in before.items() if k != "sections"})
    found = student(**{k: v for k, v in after.items() if k != "sections"})
    monkeypatch.undo()
    expected = student(**{k: v for k, v in before.items() if k != "sections"})
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("changes", [{"micro_batch_tokens": 300}, {"micro_batch_tokens": 1}])
def test_the_size_of_micro_batches_changes_no_loss(train, chain, changes):
    """The language model alone: batch norm would see other samples together."""
    name = f"parts{changes['micro_batch_tokens']}"
    train(1, name, **changes)
    for key in ("loss", "eval_loss"):
        assert losses(chain / name, key) == pytest.approx(losses(chain / "phase1", key), rel=2e-3)
    kept = json.loads((chain / name / "history.json").read_text(encoding="utf-8"))
    assert kept["micro_batch_tokens"] == changes["micro_batch_tokens"]


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_the_loss_falls_in_training_and_validation(chain, phase):
    for key in ("loss", "eval_loss"):
        found = losses(chain / f"phase{phase}", key)
        assert len(found) == 3 and found[-1] < found[0]


def test_with_an_instruction_phase_2_reads_other_tokens_and_phase_3_goes_on_from_it(train, chain, fork_python):
    train(2, "framed", instruction=True)
    assert changed(weights(chain / "phase1"), weights(chain / "framed")) == set()
    assert changed(weights(chain / "phase2"), weights(chain / "framed"))
    start = ["--phase2", chain / "framed", "--freeze-encoder", False]
    run(command("train_phase3", chain / "tables", chain / "framed3", *start, epochs=1), (str(fork_python),))
    assert Student.load(chain / "framed3").reads == ("note", "series")


def test_samples_and_what_is_cut_of_them_are_reported(train, chain):
    found = json.loads((chain / "phase1/history.json").read_text())["samples"]
    assert found == {
        "train": {"samples": 16, "marked": 0, "notes cut": 0, "targets cut": 0},
        "validation": {"samples": 4, "marked": 0, "notes cut": 0, "targets cut": 0},
    }
    assert "train split: 16 samples, 0 marked, 0 notes cut, 0 targets cut" in (chain / "phase1.log").read_text()


def test_equal_runs_leave_equal_bits(train, chain):
    train(2, "again")
    assert record(chain / "again")["output"]["files"] == record(chain / "phase2")["output"]["files"]


def test_seeds_differ_in_the_order_of_samples_and_in_new_weights(train, chain, untrained):
    train(1, "seed2", seed=2)
    assert changed(weights(chain / "phase1"), weights(chain / "seed2"))
    train(2, "untrained2", seed=2, learning_rate=1e-12, epochs=1)
    name = "attention.query.weight"
    assert (untrained[name] - weights(chain / "untrained2")[name]).abs().max() > 1e-3


def test_a_limit_of_steps_ends_a_training_within_an_epoch_with_validated_weights(train, chain):
    # An epoch has 2 steps. The loss decides: the F1 of so few steps is 0, and the first of equals is kept.
    log = train(1, "limited", epochs=8, patience=8, max_steps=3, selection="loss")
    assert len(losses(chain / "limited", "eval_loss")) == 2, log
    assert changed(weights(chain / "phase1"), weights(chain / "limited"))
    train(1, "unlimited", max_steps=1000)
    assert record(chain / "unlimited")["output"]["files"] == record(chain / "phase1")["output"]["files"]


@pytest.mark.parametrize(("selection", "best"), [("loss", min), ("f1", max)])
def test_the_weights_of_the_best_validation_are_kept(train, chain, selection, best):
    """So high a rate that the loss rises; patience ends the run."""
    model = chain / f"wild-{selection}"
    log = train(1, model.name, learning_rate=0.5, epochs=8, patience=2, selection=selection)
    found = losses(model, f"eval_{selection}")
    assert len(found) < 8, log
    kept = losses(model, "eval_loss")[found.index(best(found))]
    assert validation_loss(model, chain / "tables") == pytest.approx(kept, rel=1e-4)


def test_marked_samples_can_be_left_out(train, chain, tmp_path):
    rows = RATIONALES.read(chain / "tables/notes.parquet").to_pylist()
    log = train(1, "kept")
    assert "left out" not in log
    marked = [row | {"status": "flawed" if i % 2 else "good"} for i, row in enumerate(rows)]
    path, original = chain / "tables/notes.parquet", (chain / "tables/notes.parquet").read_bytes()
    RATIONALES.write(pa.Table.from_pylist(marked, RATIONALES.schema), path)
    write_tokens(chain / "tables")
    try:
        log = train(1, "left", marked_samples="leave_out")
    finally:
        path.write_bytes(original)
        write_tokens(chain / "tables")
    left, samples = (int(n) for n in re.search(r"left out (\d+) of (\d+) training samples", log).groups())
    counts = json.loads((chain / "left/history.json").read_text(encoding="utf-8"))["samples"]["train"]
    assert 0 < left < samples and counts["samples"] == samples - left and counts["marked"] == 0


def validation_loss(model: Path, tables: Path) -> float:
    rows = read_samples(files(tables), "validation")
    batch = Collator(tokenizer(), STEPS)(rows)
    del batch["sections"]
    with torch.no_grad():
        losses = token_losses(Student.load(model).eval()(**batch), batch["labels"])
    return float(losses.sum() / (batch["labels"] != IGNORED).sum())


def test_half_precision_keeps_whole_weights(train, chain):
    train(2, "bf16", precision="bf16")
    assert {w.dtype for w in weights(chain / "bf16").values() if w.is_floating_point()} == {torch.float32}
    assert losses(chain / "bf16") == pytest.approx(losses(chain / "phase2"), rel=0.02)
    train(3, "after-bf16", phase2="bf16")  # which goes on in fp32
    assert losses(chain / "after-bf16") == pytest.approx(losses(chain / "phase3"), rel=0.02)


def test_checkpoints_are_removed_when_the_model_stands(chain):
    assert not list(chain.glob("checkpoints-*"))


def test_the_log_is_a_story_of_dated_lines_without_colours_or_bars(chain):
    for phase in (1, 2, 3):
        log = (chain / f"phase{phase}.log").read_text()
        lines = log.splitlines()
        assert "\x1b" not in log and "\r" not in log
        assert [line for line in lines if not re.match(r"\d\d:\d\d:\d\d (INFO|WARNING) \w+: ", line)] == []
        logged = [line.split(" ", 1)[1] for line in lines]
        assert len(set(logged)) == len(logged)
        assert sum("'loss'" in line for line in lines) == sum("'eval_loss'" in line for line in lines) == 3


def test_the_record_tells_seed_settings_and_processes(chain):
    found = record(chain / "phase2")
    assert found["seed"] == 1 and found["hardware"]["processes"] == 1
    assert found["settings"]["phase"]["epochs"] == 3 and found["output"]["sharing"] == "restricted"
    assert {"torch", "transformers"} <= set(found["environment"]["packages"])
