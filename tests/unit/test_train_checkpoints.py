"""Which checkpoint a killed run goes on from, and how a newer copy of a job takes it over."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clinragen.provenance.digest import SCRIPTS
from clinragen.train import checkpoints
from clinragen.train.checkpoints import Progress, is_owner, leave, resume_point, take_over

FILES = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
DEEPSPEED = ["global_step4/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"]
# What every process writes for itself.
OF_EACH = ["rng_state_{}.pth", "global_step4/bf16_zero_pp_rank_{}_mp_rank_00_optim_states.pt"]


def checkpoint(directory: Path, step: int) -> Path:
    """The files that the Trainer writes, in their formats, those of DeepSpeed too."""
    path = directory / f"checkpoint-{step}"
    (path / "global_step4").mkdir(parents=True)
    save_file({"w": torch.zeros(100)}, path / "model.safetensors")
    for name in (*FILES[1:4], *DEEPSPEED):
        torch.save({"x": torch.zeros(100)}, path / name)
    best = str(directory / f"checkpoint-{step // 2}")
    clock = {"Clock": {"args": {}, "attributes": {"seconds": 2.5 * step}}}
    losses = [{"loss": 1.0}]
    state = {"global_step": step, "log_history": losses, "best_model_checkpoint": best, "stateful_callbacks": clock}
    (path / "trainer_state.json").write_text(json.dumps(state))
    # A pickle of the arguments; it is not read again.
    (path / "training_args.bin").write_bytes(b"x")
    return path


def newest(directory: Path) -> Path | None:
    return resume_point(directory, 1).checkpoint


def test_the_newest_by_number_not_by_name(tmp_path):
    for step in (9, 100, 20):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-final").mkdir()
    assert resume_point(tmp_path, 1) == Progress(tmp_path / "checkpoint-100", 100, [{"loss": 1.0}], 250.0)


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", [*FILES, *DEEPSPEED])
def test_a_torn_file_makes_the_one_before_the_last(tmp_path, name, left, caplog):
    whole, torn = checkpoint(tmp_path, 2), checkpoint(tmp_path, 4)
    content = (torn / name).read_bytes()
    (torn / name).write_bytes(content[: int(left * len(content))])
    assert newest(tmp_path) == whole and list(tmp_path.iterdir()) == [whole]
    assert "incomplete checkpoint removed:" in caplog.text


@pytest.mark.parametrize("late", [None, *OF_EACH])
@pytest.mark.parametrize("process", [0, 1])
def test_what_one_of_several_processes_has_not_written_yet_is_missing(tmp_path, late, process):
    for step in (2, 4):
        path = checkpoint(tmp_path, step)
        for name in [name.format(rank) for name in OF_EACH for rank in (0, 1)]:
            torch.save({"x": torch.zeros(100)}, path / name)
    if late:
        (path / late.format(process)).unlink()
    assert resume_point(tmp_path, 2).steps == (2 if late else 4)


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors"])
def test_a_checkpoint_without_state_or_weights_is_no_whole_one(tmp_path, name):
    whole, torn = checkpoint(tmp_path, 2), checkpoint(tmp_path, 4)
    (torn / name).unlink()
    assert newest(tmp_path) == whole


def test_none(tmp_path):
    assert resume_point(tmp_path, 1) == Progress()
    (checkpoint(tmp_path, 2) / "trainer_state.json").unlink()
    assert newest(tmp_path) is None


def test_the_newer_copy_takes_the_checkpoints_of_the_same_run(tmp_path):
    older = take_over(tmp_path / "c", "a")
    checkpoint(older, 2)
    newer = take_over(tmp_path / "c", "a")
    assert (is_owner(older), is_owner(newer)) == (False, True)
    assert list((tmp_path / "c").iterdir()) == [newer] and newest(newer) == newer / "checkpoint-2"
    # The Trainer reads its best weights by the path that it noted.
    state = json.loads((newer / "checkpoint-2" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(newer / "checkpoint-1")


def test_of_two_that_began_at_once_the_one_that_got_further_is_gone_on_with(tmp_path):
    older, other = (take_over(tmp_path / name, "a") for name in ("c", "d"))
    checkpoint(older, 4)
    checkpoint(other, 2)
    other.rename(tmp_path / "c" / other.name)
    newer = take_over(tmp_path / "c", "a")
    assert list((tmp_path / "c").iterdir()) == [newer] and newest(newer) == newer / "checkpoint-4"


@pytest.mark.parametrize("stamp", ["b", "", None])
def test_checkpoints_of_another_run_are_removed(tmp_path, stamp, caplog):
    older = take_over(tmp_path / "c", "a")
    checkpoint(older, 2)
    (older / "fingerprint").unlink()
    if stamp is not None:
        (older / "fingerprint").write_text(stamp)
    newer = take_over(tmp_path / "c", "a")
    assert newest(newer) is None and list((tmp_path / "c").iterdir()) == [newer]
    assert (f"checkpoints of another run removed: {older}" in caplog.text) == (stamp is not None)


def test_a_copy_that_is_taken_over_while_it_moves_in_leaves_the_newer_one_alone(tmp_path, monkeypatch):
    newer = []

    def then_another_comes(*arguments: object) -> None:
        monkeypatch.setattr(checkpoints, "_move_in", plain)
        plain(*arguments)
        newer.append(take_over(tmp_path / "c", "a"))

    plain = checkpoints._move_in
    monkeypatch.setattr(checkpoints, "_move_in", then_another_comes)
    older = take_over(tmp_path / "c", "a")
    assert (is_owner(older), is_owner(newer[0])) == (False, True)


def test_copies_that_start_at_the_same_moment_end_with_one_owner(tmp_path):
    body = "import sys; from pathlib import Path; from clinragen.train.checkpoints import *\n"
    body += "for _ in range(50): own = take_over(Path(sys.argv[1]), 'a'); is_owner(own)\n"
    body += "print(own.name)"
    command = [sys.executable, "-c", body, str(tmp_path / "c")]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    copies = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    names = [copy.communicate(timeout=100)[0].strip() for copy in copies]
    assert [copy.returncode for copy in copies] == [0, 0, 0]
    owners = [name for name in names if is_owner(tmp_path / "c" / name)]
    assert [p.name for p in (tmp_path / "c").iterdir()] == owners and len(owners) == 1


def test_an_older_copy_that_leaves_does_not_mislead_the_owner(tmp_path, monkeypatch):
    older = take_over(tmp_path / "c", "a")
    newer = take_over(tmp_path / "c", "a")

    def leave_first(path: Path) -> None:
        monkeypatch.undo()
        leave(older)
        path.rmdir()

    monkeypatch.setattr(Path, "rmdir", leave_first)
    assert is_owner(newer)


def test_what_the_older_copy_writes_too_late_is_not_its_own_again(tmp_path):
    older = take_over(tmp_path / "c", "a")
    newer = take_over(tmp_path / "c", "a")
    checkpoint(older, 2)
    assert not is_owner(older) and newest(newer) is None
    leave(older)
    assert list((tmp_path / "c").iterdir()) == [newer] and is_owner(newer)


def test_the_last_to_leave_removes_everything(tmp_path):
    older = take_over(tmp_path / "c", "a")
    newer = take_over(tmp_path / "c", "a")
    checkpoint(older, 2)
    leave(newer)
    assert list(tmp_path.iterdir()) == [] and not is_owner(older)
    leave(older)


@pytest.mark.parametrize("method", ["read_text", "open"])
def test_a_disk_that_does_not_answer_costs_no_checkpoint(tmp_path, monkeypatch, method):
    own = take_over(tmp_path / "place", "same")
    kept = checkpoint(own, 4)

    def stale(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(self))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Stale"):
        patch.setattr(Path, method, stale)
        take_over(tmp_path / "place", "same")
    assert kept.is_dir() and resume_point(take_over(tmp_path / "place", "same"), 1).steps == 4
