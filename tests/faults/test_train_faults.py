"""A killed training resumes from its last complete checkpoint, with identical bits; errors name their remedy."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy_student
from fork_python import Forked
from runs import checkpoints
from safetensors.torch import load_file
from toy_student import (
    LAUNCH,
    OPTIMIZER,
    TEXTS,
    changed,
    command,
    files,
    losses,
    run,
    weights,
    write_backbone,
    write_site,
    write_tables,
)

from clinragen.config.train import Phase
from clinragen.errors import UserError
from clinragen.model.student import Student
from clinragen.provenance.record import describe, read_record
from clinragen.train.job import Job
from clinragen.train.phases import train_phase1

EPOCHS = 15


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return write_site(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def whole(place, fork_python) -> Path:
    """The model of an undisturbed training."""
    run(training(place, "whole"), (str(fork_python),))
    return place / "whole"


def job(place: Path, checkpoints: Path, **changes: object) -> Job:
    phase = {"learning_rate": 5e-3, "epochs": 4, "patience": 4} | changes
    return Job(replace(files(place / "tables"), series=[]), Phase(**phase), OPTIMIZER, LAUNCH, 1, checkpoints, "same")


def resumed(place: Path, work: Job, out: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Train again with the checkpoints of the first training; return the step that it resumed from."""
    caplog.clear()
    caplog.set_level("INFO")
    train_phase1(work, place / "given" / "backbone", TEXTS, out)
    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("resuming from")]
    return line.rpartition("-")[2]


@pytest.fixture(params=["tiny", pytest.param("tiny-opt", marks=pytest.mark.slow)])
def undisturbed(request, place, whole, tmp_path, fork_python) -> Path:
    """The model of an undisturbed training, of either kind, next to its tables."""
    if request.param == "tiny":
        return whole
    write_tables(tmp_path / "tables", shape=request.param)
    write_backbone(tmp_path / "given" / "backbone", shape=request.param)
    run(training(tmp_path, "whole"), (str(fork_python),))
    return tmp_path / "whole"


def test_killed_and_started_again_ends_in_the_same_bits(undisturbed, fork_python):
    place, whole = undisturbed.parent, undisturbed
    words = training(place, "killed")
    process = Forked(fork_python, words, toy_student.environment())
    limit = time.monotonic() + 60
    # The first checkpoint is complete once the second has begun.
    while len(checkpoints(place / "checkpoints-killed")) < 2:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (place / "killed").exists() and not list(place.glob(".records/killed*"))
    log = run(words, (str(fork_python),))
    assert "resuming from" in log
    assert f"epoch {EPOCHS}.0 of {EPOCHS}" in log and "epoch 1.0 of" not in log
    assert changed(weights(whole), weights(place / "killed")) == set()
    assert losses(whole) == losses(place / "killed")
    assert describe(whole)["sha256"] == describe(place / "killed")["sha256"]
    assert not list(place.glob(".tmp-*")) and not list(place.glob("checkpoints-*"))
    # The time until the checkpoint counts too; an undisturbed training has no earlier attempt.
    assert read_record(place / "killed")["earlier_seconds"] > 0 and "earlier_seconds" not in read_record(whole)


@pytest.mark.parametrize("newer_ends_first", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_of_two_copies_at_once_the_newer_goes_on_and_the_older_stops(place, whole, newer_ends_first, fork_python):
    """The older one hangs, as on a lost node, while the newer one starts; each is stopped while the other acts."""
    name = f"two-{newer_ends_first}"
    scratch, words = place / f"checkpoints-{name}", training(place, name)
    older = Forked(fork_python, words, toy_student.environment())
    wait_for(lambda: len(checkpoints(scratch)) >= 2, older)
    older.send_signal(signal.SIGSTOP)
    before = checkpoints(scratch)[0].parent
    newer = Forked(fork_python, words, toy_student.environment())
    wait_for(lambda: not before.exists(), newer)
    if newer_ends_first:
        assert newer.wait(timeout=120) == 0
        made = (place / name / "history.json").stat()
    else:
        newer.send_signal(signal.SIGSTOP)
    older.send_signal(signal.SIGCONT)
    log = older.communicate(timeout=120)[0]
    # Snakemake would remove the output of a failed job, which is the newer one's.
    assert older.returncode == (0 if newer_ends_first else 2), log
    assert f"{scratch}: a newer copy of this job has taken over" in log
    assert "Traceback" not in log and "wrote" not in log
    newer.send_signal(signal.SIGCONT)
    log = newer.communicate(timeout=120)[0]
    assert newer.returncode == 0 and "resuming from" in log and "epoch 1.0 of" not in log
    if newer_ends_first:
        assert (place / name / "history.json").stat() == made
    assert changed(weights(whole), weights(place / name)) == set()
    assert losses(whole) == losses(place / name)
    record = json.loads((place / ".records" / f"{name}.json").read_text(encoding="utf-8"))
    assert record["output"]["sha256"] == describe(place / name)["sha256"]
    assert not list(place.glob(".tmp-*")) and not scratch.exists()


def wait_for(condition: Callable[[], bool], process: Forked) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.001)


def training(place: Path, name: str) -> list[str]:
    start = ("--backbone", place / "given" / "backbone")
    return command("train_phase1", place / "tables", place / name, *start, epochs=EPOCHS, patience=EPOCHS)


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("optimizer.pt", "rng_state.pth", "trainer_state.json")),
    ],
)
def test_a_torn_newest_checkpoint_falls_back_to_the_one_before(place, tmp_path, name, caplog):
    work = job(place, tmp_path / "checkpoints")
    train_phase1(work, place / "given" / "backbone", TEXTS, tmp_path / "whole")
    (torn,) = tmp_path.glob(f"checkpoints/*/checkpoint-8/{name}")
    torn.write_bytes(torn.read_bytes()[:-20])
    assert resumed(place, work, tmp_path / "again", caplog) == "6"
    assert changed(weights(tmp_path / "whole"), weights(tmp_path / "again")) == set()
    assert losses(tmp_path / "whole") == losses(tmp_path / "again")


@pytest.mark.parametrize("patience", [1, 6])
def test_killed_between_the_last_epoch_and_the_output_trains_no_further(place, tmp_path, patience, caplog):
    """At this rate the loss rises, so the shorter patience ends the training early."""
    work = job(place, tmp_path / "checkpoints", learning_rate=0.5, epochs=6, patience=patience)
    train_phase1(work, place / "given" / "backbone", TEXTS, tmp_path / "whole")
    epochs = len(losses(tmp_path / "whole"))
    assert (epochs < 6) == (patience == 1)
    assert resumed(place, work, tmp_path / "again", caplog) == str(2 * epochs)
    assert losses(tmp_path / "again") == losses(tmp_path / "whole")
    assert changed(weights(tmp_path / "whole"), weights(tmp_path / "again")) == set()


def test_while_f1_is_the_same_the_epoch_with_the_lowest_loss_is_kept(place, tmp_path):
    """As in phase 2, whose frozen language model may write the same diagnoses for every stay."""
    work = job(place, tmp_path / "checkpoints", learning_rate=1e-5, epochs=3)
    train_phase1(work, place / "given" / "backbone", TEXTS, tmp_path / "model")
    history = json.loads((tmp_path / "model" / "history.json").read_text(encoding="utf-8"))["history"]
    first, *_, last = rows = [row for row in history if "eval_loss" in row]
    assert len({row["eval_f1"] for row in rows}) == 1 and last["eval_loss"] < first["eval_loss"]
    assert [row.get("kept") for row in rows] == [None, None, 1]
    (newest,) = tmp_path.glob("checkpoints/*/checkpoint-6/model.safetensors")
    kept, last = weights(tmp_path / "model"), load_file(newest)
    assert kept.keys() & last.keys() and changed(kept, last) == set()


def test_patience_is_not_renewed_by_a_resume(place, tmp_path, caplog, monkeypatch):
    """Interrupted in the last epoch of a run that has been waiting for a lower validation loss."""
    work = job(place, tmp_path / "checkpoints-whole", learning_rate=0.5, epochs=9, patience=3)
    train_phase1(work, place / "given" / "backbone", TEXTS, tmp_path / "whole")
    epochs = len(losses(tmp_path / "whole"))
    assert epochs < 9

    def broken(self: object, args: object, state: object, control: object, **_: object) -> None:
        if state.epoch == epochs:
            raise InterruptedError

    work = job(place, tmp_path / "checkpoints", learning_rate=0.5, epochs=9, patience=3)
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr("clinragen.train.trainer.ProgressLogger.on_log", broken)
        train_phase1(work, place / "given" / "backbone", TEXTS, tmp_path / "broken")
    assert resumed(place, work, tmp_path / "again", caplog) == str(2 * (epochs - 1))
    assert losses(tmp_path / "again") == losses(tmp_path / "whole")
    assert changed(weights(tmp_path / "whole"), weights(tmp_path / "again")) == set()


def test_other_inputs_start_from_the_beginning(place, tmp_path, caplog):
    caplog.set_level("INFO")
    work = job(place, tmp_path / "checkpoints", epochs=1)
    train_phase1(work, place / "given" / "backbone", TEXTS, tmp_path / "first")
    other = Job(**vars(work) | {"fingerprint": "other"})
    train_phase1(other, place / "given" / "backbone", TEXTS, tmp_path / "second")
    assert "checkpoints of another run removed" in caplog.text and "resuming" not in caplog.text
    assert changed(weights(tmp_path / "first"), weights(tmp_path / "second")) == set()


def test_no_samples_to_learn_from_is_a_clear_error(tmp_path):
    write_tables(tmp_path / "tables", train=3, validation=0)
    write_backbone(tmp_path / "backbone")
    with pytest.raises(UserError, match="3 training and 0 validation samples"):
        train_phase1(job(tmp_path, tmp_path / "c"), tmp_path / "backbone", TEXTS, tmp_path / "out")


def refused(words: list[str], fork_python: Path, model: Path) -> str:
    """Return the last line of a training that ends with a user error; it must leave no model behind."""
    run = subprocess.run(
        [str(fork_python), *words], env=toy_student.environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 2 and not model.exists(), run.stderr
    return run.stderr.splitlines()[-1]


@pytest.mark.parametrize("sign", ["loss", "gradient"])
def test_numbers_that_are_not_finite_end_the_training_with_step_and_remedy(sign, place, tmp_path, monkeypatch):
    forward = Student.forward

    def lost(*args, **options):
        return forward(*args, **options) * float("nan")

    if sign == "loss":
        monkeypatch.setattr(Student, "forward", lost)
    else:
        monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", lambda *_, **__: torch.tensor(float("inf")))
    with pytest.raises(UserError) as error:
        train_phase1(job(place, tmp_path / "checkpoints"), place / "given" / "backbone", TEXTS, tmp_path / "model")
    message = rf"{sign} is (nan|inf) at step 1 of 8, at a learning rate of .*: lower the learning_rate"
    assert re.search(message, str(error.value))
    assert not (tmp_path / "model").exists()


def test_a_learning_rate_that_is_far_too_high_is_the_last_line_of_the_log(place, tmp_path, fork_python):
    start = ("--backbone", place / "given" / "backbone")
    words = command("train_phase1", place / "tables", tmp_path / "model", *start, learning_rate=1e30)
    last = refused(words, fork_python, tmp_path / "model")
    assert re.search(r"is (nan|inf) at step [23] of 6, .*: lower the learning_rate of this phase$", last)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_asked_for_and_is_not_there_is_an_error(place, tmp_path, fork_python):
    start = ("--backbone", place / "given" / "backbone")
    words = command("train_phase1", place / "tables", tmp_path / "model", *start, device="cuda")
    last = refused(words, fork_python, tmp_path / "model")
    assert "train.launch.device is cuda, but PyTorch sees no GPU here" in last and "set the key to cpu" in last


def test_a_gpu_that_is_too_small_is_an_error_that_says_what_to_lower(place, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Student, "forward", full)
    with pytest.raises(UserError, match=r"memory of the GPU .* lower train\.launch\.micro_batch_tokens"):
        train_phase1(job(place, tmp_path / "checkpoints"), place / "given" / "backbone", TEXTS, tmp_path / "model")


def test_a_student_of_another_phase_is_refused(place, whole, tmp_path, fork_python):
    from_phase1 = command(
        "train_phase3", place / "tables", tmp_path / "model", "--phase2", whole, "--freeze-encoder", False
    )
    assert "reads no series; phase 3 starts from a student of phase 2" in refused(
        from_phase1, fork_python, tmp_path / "model"
    )
