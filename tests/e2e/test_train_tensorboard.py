"""TensorBoard events of a training: the numbers of its history, one curve over all attempts, no text."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest
from fork_python import Forked
from runs import checkpoints
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_student import command, environment, run, write_site

from clinragen.errors import UserError
from clinragen.train.tensorboard import DIRECTORY, event_writers, require_tensorboard

EPOCHS = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return write_site(tmp_path_factory.mktemp("events"))


def training(place: Path, name: str, **changes: object) -> list[str]:
    start = ("--backbone", place / "given" / "backbone")
    return command("train_phase1", place / "tables", place / name, *start, epochs=EPOCHS, patience=EPOCHS, **changes)


def with_events(place: Path, name: str) -> dict[str, str]:
    """Environment with which a training writes its events where the rule lets it."""
    return {DIRECTORY: str(place / "logs" / name)}


def curves(events: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of every curve, as TensorBoard shows them."""
    read = EventAccumulator(str(events), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def expected(model: Path) -> dict[str, list[tuple[int, float]]]:
    """The same from the history of a trained model."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in json.loads((model / "history.json").read_text(encoding="utf-8"))["history"]:
        for key in row.keys() - {"step", "epoch", "kept"}:
            tag = f"eval/{key.removeprefix('eval_')}" if key.startswith("eval_") else f"train/{key}"
            found.setdefault(tag, []).append((row["step"], pytest.approx(row[key], rel=1e-6)))
    return found


def shown(events: Path, tags: object) -> dict[str, list[tuple[int, float]]]:
    return {tag: points for tag, points in curves(events).items() if tag in tags}


@pytest.fixture(scope="module")
def whole(place, fork_python) -> Path:
    """The model of a training that nothing happens to, with events."""
    run(training(place, "whole"), (str(fork_python),), **with_events(place, "whole"))
    return place / "whole"


def test_events_are_the_history(place, whole):
    wanted = expected(whole)
    assert {"train/loss", "train/loss_diagnoses", "train/grad_norm", "train/learning_rate"} <= wanted.keys()
    assert {"eval/loss", "eval/loss_diagnoses", "eval/f1"} <= wanted.keys() and len(wanted["eval/loss"]) == EPOCHS
    assert shown(place / "logs/whole", wanted) == wanted
    # The rest is how fast it was.
    times = ("runtime", "per_second", "epoch", "total_flos", "train_loss")
    assert all(tag.endswith(times) for tag in curves(place / "logs/whole").keys() - wanted.keys())


def test_events_hold_no_text_of_patients(place, whole):
    (file,) = (place / "logs/whole").iterdir()
    content = file.read_bytes()
    assert b"learning_rate" in content
    for word in (b"pressor", b"Shock", b"Essential", b"clinic"):
        assert word not in content


def test_without_the_option_there_are_none_and_the_model_is_the_same(place, whole, fork_python):
    run(training(place, "silent"), (str(fork_python),), **{DIRECTORY: ""})
    assert not list(place.rglob("silent/**/events.out*")) and not (place / "logs/silent").exists()
    records = [json.loads((place / f".records/{name}.json").read_text()) for name in ("whole", "silent")]
    assert records[0]["output"]["sha256"] == records[1]["output"]["sha256"]
    assert "tfevents" not in json.dumps(records) and DIRECTORY not in json.dumps(records)


@pytest.mark.slow
def test_a_killed_and_resumed_training_has_one_curve(place, whole, fork_python):
    words = training(place, "killed")
    process = Forked(fork_python, words, environment() | with_events(place, "killed"))
    limit = time.monotonic() + 120
    while len(checkpoints(place / "checkpoints-killed")) < 2:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "resuming from" in run(words, (str(fork_python),), **with_events(place, "killed"))
    assert len(list((place / "logs/killed").iterdir())) == 2
    wanted = expected(whole)
    assert expected(place / "killed") == {
        tag: [(step, value.expected) for step, value in points] for tag, points in wanted.items()
    }
    assert shown(place / "logs/killed", wanted) == wanted


def test_what_was_written_after_the_last_checkpoint_is_void(tmp_path, monkeypatch):
    """Killed between the log of an epoch and its checkpoint; the second attempt takes another course."""
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    for steps_done, value in ((0, 1.0), (4, 2.0)):
        (callback,) = event_writers(steps_done)
        for step in range(steps_done + 2, 9, 2):
            callback.tb_writer.add_scalar("train/loss", value, step)
        callback.tb_writer.close()
        time.sleep(1.1)  # files are read in the order of the seconds in their names
    assert curves(tmp_path)["train/loss"] == [(2, 1.0), (4, 1.0), (6, 2.0), (8, 2.0)]
    # A training that starts over, as after another setting, leaves nothing of the one before.
    (callback,) = event_writers(0)
    callback.tb_writer.add_scalar("train/loss", 3.0, 3)
    callback.tb_writer.close()
    assert curves(tmp_path)["train/loss"] == [(3, 3.0)]


def test_only_the_main_process_writes(place, fork_python):
    torchrun = Path(sys.executable).with_name("torchrun")
    launcher = (str(fork_python), str(torchrun), "--standalone", "--nproc-per-node", "2")
    run(training(place, "two", processes=2), launcher, **with_events(place, "two"))
    assert len(list((place / "logs/two").iterdir())) == 1
    wanted = expected(place / "two")
    assert shown(place / "logs/two", wanted) == wanted


def test_a_missing_package_is_an_error_before_the_training(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    require_tensorboard()
    monkeypatch.setenv(DIRECTORY, "logs")
    with pytest.raises(UserError, match=r"^train\.report_to is tensorboard, but the package tensorboard is missing: "):
        require_tensorboard()
