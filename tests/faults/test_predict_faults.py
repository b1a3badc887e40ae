"""A killed prediction continues after its last complete batch, and ends in the same bytes."""

import json
import random
import signal
import time
from pathlib import Path

import pytest
import toy_student
from fork_python import Forked
from toy_student import ROOT, files, student, tokenizer, write_tables

STAYS, BATCH = 40, 2
KILLS = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("faults")
    write_tables(directory / "tables", test=STAYS)
    for seed, name in enumerate(("checkpoint", "other")):
        student("both", seed).save(directory / name, tokenizer())
    return directory


@pytest.fixture(scope="module")
def whole(place, fork_python) -> bytes:
    """The predictions of an undisturbed job."""
    done, table = run(fork_python, place, "whole")
    assert "continuing with" not in done
    return table


def command(place: Path, name: str, checkpoint: str = "checkpoint", tokens: int = 60) -> list[str]:
    made = files(place / "tables", None)
    decoding = {"device": "cpu", "beams": 2, "max_new_tokens": tokens, "write": "all", "precision": "fp32"}
    words = [
        *(ROOT / "scripts/evaluate_predict.py", "--checkpoint", place / checkpoint, "--labels", made.labels),
        *("--notes", made.notes, "--series", *made.series, "--base", "--captions", "--features"),
        *("--phenotypes", ROOT / "resources/phenotypes.csv", "--decoding", json.dumps(decoding), "--batch", BATCH),
        *("--seed", 1, "--parts", place / name / "parts", "--predictions", place / name / "predictions.parquet"),
    ]
    return [str(word) for word in words]


def start(python: Path, place: Path, name: str) -> Forked:
    return Forked(python, command(place, name), toy_student.environment())


def run(python: Path, place: Path, name: str, **changes: object) -> tuple[str, bytes]:
    """Run a job to its end and return its log and predictions; its batches must be removed."""
    log = toy_student.run(command(place, name, **changes), (str(python),))
    assert sorted(p.name for p in (place / name).iterdir()) == [".records", "predictions.parquet"]
    return log, (place / name / "predictions.parquet").read_bytes()


def batches(place: Path, name: str) -> dict[str, int]:
    """Return the complete batches and their modification times."""
    paths = (place / name).glob("parts/*/[0-9a-f]*.json")
    return {path.name: path.stat().st_mtime_ns for path in paths}


def kill_after(python: Path, place: Path, name: str, number: int, seconds: float) -> int:
    """Start a job, kill it `seconds` after it has `number` batches, and return its number of batches."""
    process = start(python, place, name)
    limit = time.monotonic() + 120
    while len(batches(place, name)) < number:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.002)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return len(batches(place, name))


@pytest.mark.slow
def test_killed_at_random_moments_it_loses_at_most_the_batch_under_way(place, whole, fork_python):
    chance = random.Random(time.time_ns())
    before: dict[str, int] = {}
    for _ in range(KILLS):
        kill_after(
            fork_python,
            place,
            "killed",
            min(len(before) + chance.randint(1, 3), STAYS // BATCH - 2),
            chance.random() / 20,
        )
        now = batches(place, "killed")
        # No complete batch is decoded again.
        assert len(now) > len(before) and before.items() <= now.items()
        before = now
    assert not (place / "killed/predictions.parquet").exists()
    log, table = run(fork_python, place, "killed")
    assert table == whole and "continuing with the batches in" in log


@pytest.mark.parametrize("length", [0, pytest.param(-20, marks=pytest.mark.slow)])
def test_a_torn_batch_is_decoded_again(place, whole, fork_python, length):
    name = f"torn{length}"
    kill_after(fork_python, place, name, 3, 0)
    torn = sorted((place / name).glob("parts/*/[0-9a-f]*.json"))[1]
    torn.write_bytes(torn.read_bytes()[:length])
    log, table = run(fork_python, place, name)
    assert table == whole and f"decoding an incomplete batch again: {torn}" in log


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [pytest.param({"checkpoint": "other"}, id="checkpoint"), pytest.param({"tokens": 30}, id="settings")],
)
def test_batches_of_other_settings_or_of_another_checkpoint_are_not_used(place, whole, fork_python, changes):
    name, value = f"changed-{next(iter(changes))}", next(iter(changes.values()))
    kill_after(fork_python, place, name, 3, 0)
    log, table = run(fork_python, place, name, **changes)
    assert "continuing with" not in log
    assert table != whole and table == run(fork_python, place, f"new-{value}", **changes)[1]


@pytest.mark.slow
def test_of_two_copies_at_once_both_end_well(place, whole, fork_python):
    """The older one hangs, as on a lost node, while the newer one runs to its end."""
    older = start(fork_python, place, "two")
    while not batches(place, "two"):
        assert older.poll() is None
        time.sleep(0.002)
    older.send_signal(signal.SIGSTOP)
    log, table = run(fork_python, place, "two")
    assert table == whole and "continuing with" in log
    older.send_signal(signal.SIGCONT)
    said = older.communicate(timeout=120)[0]
    assert older.returncode == 0 and "Traceback" not in said
    assert "another copy of this job has finished" in said
    assert (place / "two/predictions.parquet").read_bytes() == whole


def test_the_record_counts_how_the_outputs_ended(place, whole):
    record = json.loads((place / "whole/.records/predictions.parquet.json").read_text(encoding="utf-8"))
    assert (
        f"outputs: {STAYS}" in record["facts"]["outputs"] and f"ended by limit: {STAYS}" in record["facts"]["outputs"]
    )
