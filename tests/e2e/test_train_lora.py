"""Adapters of a language model through their script: trained weights, checkpoints, inputs and outputs."""

import hashlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fork_python import Forked
from runs import checkpoints
from safetensors.torch import load_file
from toy_student import (
    PHENOTYPES,
    command,
    environment,
    files,
    kept_loss,
    losses,
    run,
    tokenizer,
    weights,
    write_site,
)

from clinragen.config.evaluate import Decoding
from clinragen.evaluate.predict import predict
from clinragen.model.adapters import MARK
from clinragen.model.files import Files
from clinragen.model.inputs import Collator, read_samples
from clinragen.model.student import Student
from clinragen.train.loss import token_losses

SHAPE = "tiny-llama"
CAPTIONED = {"reads": ["note", "captions"]}
DECODING = Decoding(device="cpu", beams=2, max_new_tokens=48, write="all", precision="fp32")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return write_site(tmp_path_factory.mktemp("lora"), SHAPE)


@pytest.fixture(scope="module")
def fetched(place) -> Path:
    return place / "given" / "backbone"


def words(place: Path, name: str, **changes: object) -> list[str]:
    settings = {"parts": CAPTIONED, "targets": "diagnoses"} | changes
    backbone = place / "given" / "backbone"
    return command("train_lora", place / "tables", place / name, "--base", backbone, **settings)


@pytest.fixture(scope="module")
def train(place, fork_python) -> Callable[..., Path]:
    def trained(name: str, **changes: object) -> Path:
        run(words(place, name, **changes), (str(fork_python),))
        return place / name

    return trained


@pytest.fixture(scope="module")
def adapted(train) -> Path:
    return train("adapted", learning_rate=0.02, epochs=8, patience=8)


def adapters(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "backbone" / "adapter_model.safetensors")


def samples(place: Path, split: str, targets: str | None = "diagnoses") -> list[dict]:
    read = files(place / "tables", targets)
    return read_samples(Files(read.labels, read.notes, read.targets, [], place / "tables/caption_tokens.arrow"), split)


def validation_loss(place: Path, student: Student) -> float:
    """Mean loss of a token of the validation split."""
    batch = Collator(tokenizer(SHAPE), None)(samples(place, "validation"))
    del batch["sections"]
    with torch.no_grad():
        found = token_losses(student.eval()(**batch), batch["labels"])
    return float(found.sum() / (found != 0).sum())


def test_adapters_learn_and_alone_are_stored(adapted):
    found = losses(adapted)
    assert found[-1] < found[0] - 1
    assert all(MARK in name for name in adapters(adapted))
    # Of each pair the second factor is zero at first.
    moved = [tensor.abs().max() > 0 for name, tensor in adapters(adapted).items() if "lora_B" in name]
    assert len(moved) == 3 * 7 and all(moved)
    assert {path.name for path in adapted.rglob("*.safetensors")} == {"adapter_model.safetensors"}
    facts = json.loads((adapted / "student.json").read_text(encoding="utf-8"))
    assert facts["trained"] == facts["parameters"] | {"backbone": 0}


def test_the_language_model_did_not_move(adapted, fetched, place):
    """The last measurement of a training is reproduced by the stored adapters on the model as it was fetched."""
    facts = json.loads((adapted / "student.json").read_text(encoding="utf-8"))["base"]
    assert facts["content"] == json.loads((fetched / "source.json").read_text(encoding="utf-8"))["content"]
    student = Student.load(adapted, base=fetched)
    assert validation_loss(place, student) == pytest.approx(kept_loss(adapted), rel=1e-5)
    first = load_file(fetched / "model.safetensors")
    own = {name.replace(".base_layer", ""): tensor for name, tensor in student.backbone.state_dict().items()}
    assert digest({name: own[name] for name in first}) == digest(first)


def digest(tensors: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def test_predictions_need_the_fetched_model_and_read_note_and_captions(adapted, fetched, place):
    tested = samples(place, "test", None)
    table = predict(adapted, tested, PHENOTYPES, DECODING, 3, base=fetched)
    rows = {row["stay_id"]: row for row in table.to_pylist()}
    assert sorted(rows) == sorted(row["stay_id"] for row in tested)
    right = [rows[row["stay_id"]]["predicted"] == row["phenotypes"] for row in tested]
    assert sum(right) > len(right) / 2, table.to_pylist()


def test_with_a_language_model_in_half_precision_adapters_and_losses_stay_whole(train, adapted, fetched, place):
    half = train("half", precision="bf16", learning_rate=0.02, epochs=8, patience=8)
    assert {tensor.dtype for tensor in adapters(half).values()} == {torch.float32}
    assert losses(half)[0] == pytest.approx(losses(adapted)[0], rel=0.01)
    student = Student.load(half, base=fetched)
    assert student.base.dtype == "bfloat16"
    rounded = student.backbone.state_dict()["model.embed_tokens.weight"]
    assert torch.equal(rounded, rounded.bfloat16().float())
    assert validation_loss(place, student) == pytest.approx(kept_loss(half), rel=0.01)


def test_computed_again_in_the_backward_pass_the_same_is_learned(train, adapted):
    again = train("again", gradient_checkpointing=True, learning_rate=0.02, epochs=8, patience=8)
    assert losses(again) == pytest.approx(losses(adapted), rel=1e-4)


def test_parts_before_the_language_model_learn_beside_its_adapters(train, fetched):
    parts = {"reads": ["note", "series"], "series": "linear", "soft_prompts": "texts"}
    model = train("composed", parts=parts, targets="target", epochs=1, precision="bf16")
    own = load_file(model / "parts.safetensors")
    assert {name.split(".")[0] for name in own} == {"encoder", "projection", "identity", "soft_prompts"}
    assert {tensor.dtype for tensor in own.values() if tensor.is_floating_point()} == {torch.float32}
    assert Student.load(model, base=fetched).reads == ("note", "series")


@pytest.mark.slow
def test_killed_and_started_again_it_ends_in_the_same_bits(train, place, fork_python):
    many = {"epochs": 30, "patience": 30}
    whole, line = train("whole", **many), words(place, "killed", **many)
    process = Forked(fork_python, line, environment())
    scratch, limit = place / "checkpoints-killed", time.monotonic() + 200
    while len(checkpoints(scratch)) < 2:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    complete = min(checkpoints(scratch), key=lambda path: int(path.name.removeprefix("checkpoint-")))
    kept = load_file(complete / "model.safetensors")
    assert kept and all(MARK in name for name in kept), "a checkpoint of 7 billion weights that do not change"
    log = run(line, (str(fork_python),))
    assert "resuming from" in log and "epoch 1.0 of" not in log
    one, other = adapters(whole), adapters(place / "killed")
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_whole_model_is_trained_by_the_same_command_but_for_its_rule(place, fetched, fork_python):
    """The switch of the row: `training: joint`."""
    line = command(
        "train_joint", place / "tables", place / "full", "--base", fetched, parts=CAPTIONED, targets="diagnoses"
    )
    run(line, (str(fork_python),))
    first = {f"backbone.{name}": tensor for name, tensor in load_file(fetched / "model.safetensors").items()}
    found = weights(place / "full")
    assert found.keys() == first.keys()
    assert all(not torch.equal(found[name], first[name]) for name in first)
