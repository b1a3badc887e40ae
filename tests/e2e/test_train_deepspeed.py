"""The training scripts under torchrun: DeepSpeed and several processes learn what one plain process learns."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import checkpoints
from toy_student import (
    STEPS,
    changed,
    command,
    environment,
    files,
    kept_loss,
    losses,
    run,
    tokenizer,
    weights,
    write_site,
    write_tables,
)

from clinragen.model.inputs import Collator, read_samples
from clinragen.model.student import Student
from clinragen.train.loss import token_losses

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")]
TORCHRUN = str(Path(sys.executable).with_name("torchrun"))


@pytest.fixture(scope="module")
def place(tmp_path_factory, fork_python) -> Path:
    """Tables, backbone and the models of phases 1 and 2 from one plain process."""
    directory = write_site(tmp_path_factory.mktemp("deepspeed"))
    run(words(directory, 1, "plain1"), (str(fork_python),))
    run(words(directory, 2, "plain2"), (str(fork_python),))
    return directory


@pytest.fixture(scope="module")
def extensions(tmp_path_factory) -> dict[str, str]:
    """DeepSpeed on the processor; its operator is built once, in the user's cache where one is set."""
    built = os.environ.get("TORCH_EXTENSIONS_DIR") or str(tmp_path_factory.mktemp("extensions"))
    return {"DS_ACCELERATOR": "cpu", "TORCH_EXTENSIONS_DIR": built}


def words(place: Path, phase: int, name: str, **changes: object) -> list[str]:
    start = {
        1: ["--backbone", place / "given" / "backbone"],
        2: ["--phase1", place / "plain1", "--vocabulary", place / "tables" / "vocabulary.json"],
    }[phase]
    return command(f"train_phase{phase}", place / "tables", place / name, *start, **changes)


def launcher(processes: int, *python: Path) -> tuple[str, ...]:
    """Command that starts processes of a script: new ones, or with `fork_python` forks."""
    return *map(str, python), TORCHRUN, "--standalone", "--nproc-per-node", str(processes)


def record(model: Path) -> dict:
    return json.loads((model.parent / ".records" / f"{model.name}.json").read_text(encoding="utf-8"))


def test_deepspeed_learns_what_plain_torch_learns(place, extensions, fork_python):
    log = run(words(place, 1, "zero", deepspeed=True), launcher(1, fork_python), **extensions)
    for key in ("loss", "eval_loss"):
        assert losses(place / "zero", key) == pytest.approx(losses(place / "plain1", key), rel=2e-3), log
    assert record(place / "zero")["hardware"]["processes"] == 1


def test_the_papers_setting_half_precision_through_deepspeed(place, extensions, fork_python):
    """Phase 2: the encoder learns in half precision, too, and no bit of the language model changes."""
    run(words(place, 2, "half", deepspeed=True, precision="bf16"), launcher(1, fork_python), **extensions)
    assert losses(place / "half") == pytest.approx(losses(place / "plain2"), rel=0.02)
    assert losses(place / "half") != losses(place / "plain2")
    assert {w.dtype for w in weights(place / "half").values() if w.is_floating_point()} == {torch.float32}
    assert changed(weights(place / "plain1"), weights(place / "half")) == set()


@pytest.mark.parametrize("deepspeed", [False, True])
@pytest.mark.parametrize("processes", [1, 3])
def test_neither_processes_nor_micro_batches_change_what_is_learned(
    place, extensions, deepspeed, processes, fork_python
):
    """Three processes share a batch of eight and one of a single sample unevenly; each takes two at a time."""
    name = f"shared-{deepspeed}-{processes}"
    changes = {"deepspeed": deepspeed, "processes": processes, "micro_batch_tokens": 150, "batch": 15}
    if not (place / "whole-batch").exists():
        run(words(place, 1, "whole-batch", batch=15), (str(fork_python),))
    log = run(words(place, 1, name, **changes), launcher(processes, fork_python), **extensions)
    for key in ("loss", "loss_diagnoses", "eval_loss"):
        assert losses(place / name, key) == pytest.approx(losses(place / "whole-batch", key), rel=2e-3), log


def test_a_process_without_validation_samples_keeps_nobody_waiting(place, tmp_path, fork_python):
    """In phase 2, whose batch norm has separate statistics in each process: the saved ones are used in validation."""
    tables, model = write_tables(tmp_path / "tables", validation=1), tmp_path / "model"
    start = ["--phase1", place / "plain1", "--vocabulary", tables / "vocabulary.json"]
    log = run(command("train_phase2", tables, model, *start, processes=2, epochs=2), launcher(2, fork_python))
    assert len(losses(model, "eval_f1")) == 2, log
    batch = Collator(tokenizer(), STEPS)(read_samples(files(tables, "lab_target"), "validation"))
    inputs = {name: batch[name] for name in ("series", "steps", "labels")}
    with torch.no_grad():
        again = token_losses(Student.load(model).eval()(**inputs), batch["labels"])
    assert float(again.mean()) == pytest.approx(kept_loss(model), rel=1e-4)


@pytest.mark.parametrize("deepspeed", [False, True])
def test_two_processes_with_the_same_batch_commit_once(place, extensions, deepspeed, fork_python):
    name = f"two-{deepspeed}"
    log = run(words(place, 1, name, deepspeed=deepspeed, processes=2), launcher(2, fork_python), **extensions)
    for key in ("loss", "eval_loss"):
        assert losses(place / name, key) == pytest.approx(losses(place / "plain1", key), rel=0.02), log
    assert record(place / name)["hardware"]["processes"] == 2
    assert record(place / name)["command"][:4] == ["torchrun", "--standalone", "--nproc-per-node", "2"]
    assert log.count(f"wrote {place / name}") == 1 and log.count("epoch 1.0 of 3") == 2
    assert sorted(p.name for p in (place / name).iterdir()) == ["backbone", "history.json", "student.json"]
    assert not list(place.glob(".tmp-*")) and not list(place.glob("checkpoints-*"))


def test_divided_weights_learn_the_same_and_are_stored_whole(place, extensions, fork_python):
    """ZeRO stage 3 on two processes, which share steps unevenly and compute blocks again in the backward pass."""
    changes = {"deepspeed": True, "processes": 2, "micro_batch_tokens": 150, "batch": 15}
    if not (place / "whole-batch").exists():
        run(words(place, 1, "whole-batch", batch=15), (str(fork_python),))
    log = run(
        words(place, 1, "divided", zero_stage=3, gradient_checkpointing=True, **changes),
        launcher(2, fork_python),
        **extensions,
    )
    for key in ("loss", "loss_diagnoses", "eval_loss", "eval_f1"):
        assert losses(place / "divided", key) == pytest.approx(losses(place / "whole-batch", key), rel=2e-3), log
    undivided, divided = weights(place / "whole-batch"), weights(place / "divided")
    assert undivided.keys() == divided.keys()
    for name, tensor in undivided.items():
        torch.testing.assert_close(divided[name], tensor, atol=1e-3, rtol=1e-3)
    facts = [json.loads((place / name / "student.json").read_text()) for name in ("whole-batch", "divided")]
    assert facts[0] == facts[1] and Student.load(place / "divided").parameter_counts() == facts[0]["parameters"]


def test_parts_of_a_student_that_are_no_layers_are_divided_too(place, extensions, fork_python):
    """Soft prompts, and the identity of the variables."""
    parts = {"reads": ["note", "series"], "series": "linear", "soft_prompts": "texts"}
    line = ("train_joint", place / "tables")
    start = ("--base", place / "given" / "backbone")
    run(command(*line, place / "undivided", *start, parts=parts), (str(fork_python),))
    changes = {"deepspeed": True, "zero_stage": 3, "processes": 2}
    run(command(*line, place / "composed", *start, parts=parts, **changes), launcher(2, fork_python), **extensions)
    for key in ("loss", "eval_loss"):
        assert losses(place / "composed", key) == pytest.approx(losses(place / "undivided", key), rel=0.02)


def test_adapters_through_deepspeed_learn_what_they_learn_without(place, extensions, fork_python):
    line = ("train_lora", place / "tables")
    start = ("--base", place / "given" / "backbone")
    run(command(*line, place / "plain-lora", *start), (str(fork_python),))
    run(command(*line, place / "lora", *start, deepspeed=True, processes=2), launcher(2, fork_python), **extensions)
    for key in ("loss", "eval_loss"):
        assert losses(place / "lora", key) == pytest.approx(losses(place / "plain-lora", key), rel=0.02)
    assert {path.name for path in (place / "lora").rglob("*.safetensors")} == {"adapter_model.safetensors"}


@pytest.mark.parametrize(("stage", "processes"), [(2, 1), (3, 2)])
def test_deepspeed_killed_and_started_again_ends_in_the_same_bits(stage, processes, place, extensions, fork_python):
    changes = {"deepspeed": True, "zero_stage": stage, "processes": processes, "epochs": 20, "patience": 20}
    whole, killed = f"whole-{stage}", f"killed-{stage}"
    lines = {name: words(place, 1, name, **changes) for name in (whole, killed)}
    run(lines[whole], launcher(processes, fork_python), **extensions)
    process = subprocess.Popen(
        [*launcher(processes), *lines[killed]],
        env=environment() | extensions,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len(checkpoints(place / f"checkpoints-{killed}")) >= 2, process)
    # torchrun's workers outlive it: end them as well, as a scheduler does.
    for pid in (process.pid, *workers(process)):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert not (place / killed).exists()
    log = run(lines[killed], launcher(processes, fork_python), **extensions)
    assert "resuming from" in log and "epoch 1.0 of" not in log
    assert changed(weights(place / whole), weights(place / killed)) == set()


def test_of_two_copies_with_two_processes_each_the_newer_goes_on_and_the_older_stops(place, extensions, fork_python):
    """The older one hangs while the newer one starts, which is held in turn until the older one has stopped."""
    changes = {"deepspeed": True, "processes": 2, "epochs": 20, "patience": 20}
    run(words(place, 1, "undisturbed", **changes), launcher(2, fork_python), **extensions)
    scratch = place / "checkpoints-twice"
    older = start(words(place, 1, "twice", **changes), extensions)
    wait_for(lambda: len(checkpoints(scratch)) >= 2, older)
    send(older, signal.SIGSTOP)
    before = checkpoints(scratch)[0].parent
    newer = start(words(place, 1, "twice", **changes), extensions)
    wait_for(lambda: not before.exists(), newer)
    send(newer, signal.SIGSTOP)
    send(older, signal.SIGCONT)
    log = older.communicate(timeout=200)[0]
    assert older.returncode != 0 and f"{scratch}: a newer copy of this job has taken over" in log, log
    assert "exitcode  : 2" in log and f"wrote {place}" not in log
    send(newer, signal.SIGCONT)
    log = newer.communicate(timeout=200)[0]
    assert newer.returncode == 0 and "resuming from" in log and "epoch 1.0 of" not in log, log
    assert changed(weights(place / "undisturbed"), weights(place / "twice")) == set()
    assert not list(place.glob(".tmp-*")) and not scratch.exists()


def test_another_number_of_processes_than_the_settings_say_is_refused(place, extensions, fork_python):
    line = [*launcher(1, fork_python), *words(place, 1, "refused", processes=2)]
    done = subprocess.run(line, env=environment() | extensions, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "1 nodes with 2 processes each, but 1 were started" in done.stderr
    assert "exitcode  : 2" in done.stderr and not list(place.glob("*refused*"))


def start(line: list[str], extensions: dict[str, str]) -> subprocess.Popen:
    """Two processes under torchrun; what they say comes together."""
    env = environment() | extensions
    command = [*launcher(2), *line]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def workers(torchrun: subprocess.Popen) -> list[int]:
    return [int(w) for w in Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children").read_text().split()]


def send(torchrun: subprocess.Popen, number: int) -> None:
    for worker in workers(torchrun):
        os.kill(worker, number)


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    limit = time.monotonic() + 200
    while not condition():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.005)
