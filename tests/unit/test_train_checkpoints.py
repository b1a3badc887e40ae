"""Which checkpoint a killed run goes on from."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clinragen.train.checkpoints import history_of, last_whole, open_folder
from clinragen.train.trainer import out_of_patience

FILES = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
DEEPSPEED = ["global_step4/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", "rng_state_1.pth"]


def checkpoint(folder: Path, step: int) -> Path:
    """The files that the Trainer writes, in their formats, those of DeepSpeed too."""
    path = folder / f"checkpoint-{step}"
    (path / "global_step4").mkdir(parents=True)
    save_file({"w": torch.zeros(100)}, path / "model.safetensors")
    for name in (*FILES[1:4], *DEEPSPEED):
        torch.save({"x": torch.zeros(100)}, path / name)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step, "log_history": [{"loss": 1.0}]}))
    # A pickle of the arguments; it is not read again.
    (path / "training_args.bin").write_bytes(b"x")
    return path


def test_the_newest_by_number_not_by_name(tmp_path):
    for step in (9, 100, 20):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-final").mkdir()
    assert last_whole(tmp_path) == tmp_path / "checkpoint-100"
    assert history_of(tmp_path / "checkpoint-20") == (20, [{"loss": 1.0}])


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", [*FILES, *DEEPSPEED])
def test_a_torn_file_makes_the_one_before_the_last(tmp_path, name, left, caplog):
    whole, torn = checkpoint(tmp_path, 2), checkpoint(tmp_path, 4)
    content = (torn / name).read_bytes()
    (torn / name).write_bytes(content[: int(left * len(content))])
    assert last_whole(tmp_path) == whole
    assert "checkpoint-4 is not whole: passed over" in caplog.text


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors"])
def test_a_checkpoint_without_state_or_weights_is_passed_over(tmp_path, name):
    whole, torn = checkpoint(tmp_path, 2), checkpoint(tmp_path, 4)
    (torn / name).unlink()
    assert last_whole(tmp_path) == whole


def test_none(tmp_path):
    assert last_whole(tmp_path) is None
    assert last_whole(tmp_path / "missing") is None
    (checkpoint(tmp_path, 2) / "trainer_state.json").unlink()
    assert last_whole(tmp_path) is None


def test_checkpoints_of_the_same_run_stay(tmp_path):
    open_folder(tmp_path / "c", "a")
    kept = checkpoint(tmp_path / "c", 2)
    open_folder(tmp_path / "c", "a")
    assert last_whole(tmp_path / "c") == kept


@pytest.mark.parametrize("stamp", ["b", "", None])
def test_checkpoints_of_another_run_are_removed(tmp_path, stamp, caplog):
    open_folder(tmp_path / "c", "a")
    checkpoint(tmp_path / "c", 2)
    (tmp_path / "c" / "fingerprint").unlink()
    if stamp is not None:
        (tmp_path / "c" / "fingerprint").write_text(stamp)
    open_folder(tmp_path / "c", "a")
    assert last_whole(tmp_path / "c") is None and "of another run: removed" in caplog.text
    open_folder(tmp_path / "c", "a")


@pytest.mark.parametrize(
    ("losses", "patience", "stops"),
    [
        ([], 1, False),
        ([3.0], 1, False),
        ([3.0, 2.0], 1, False),
        ([3.0, 3.0], 1, True),
        ([1.0, 2.0, 3.0], 2, True),
        ([1.0, 2.0, 3.0], 3, False),
        ([2.0, 3.0, 1.0, 4.0], 2, False),
        ([2.0, 3.0, 1.0, 4.0, 1.0], 2, True),
    ],
)
def test_patience_is_told_by_the_history(losses, patience, stops):
    history = [row for loss in losses for row in ({"loss": 9.0}, {"eval_loss": loss})]
    assert out_of_patience(history, patience) is stops
