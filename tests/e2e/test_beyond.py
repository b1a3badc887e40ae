"""The rows beyond the paper, through Snakemake to their tables, on top of the finished demo."""

import csv
import fcntl
import re
import shutil

import pytest
from demo import CONFIGURATION, RESULTS
from runs import overlay, path_with, snakemake, succeeded

from clinragen.config.rows import BEYOND

pytestmark = pytest.mark.slow

SCHEDULE = {"learning_rate": 1e-3, "epochs": 1, "patience": 1}
LESS = {
    "datasets": {"mimic4": None},
    "classifiers": {name: {"schedule": SCHEDULE} for name in ("series-patchtst", "series-lstm", "note-encoder")},
}
ROWS = {
    "Majority",
    "Name search in the note",
    "PatchTST on the series",
    "LSTM on the series",
    "Clinical BERT on the note",
}


@pytest.fixture(scope="module")
def results(shared, demo, request):
    """The results, and what Snakemake showed; the first worker of pytest makes them for all."""
    checkout, shown = shared / "beyond", shared / "beyond.txt"
    with (shared / "beyond.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shown.exists():
            shutil.copytree(demo.checkout, checkout, symlinks=True)
            overlay(checkout / "less.yaml", RESULTS, **LESS)
            configuration = (CONFIGURATION[0], *CONFIGURATION[1:3], "config/beyond.yaml", "small.yaml", "less.yaml")
            arguments = ("--cores", "2", "--show-failed-logs", "--", "tables")
            path = path_with(request.getfixturevalue("fork_python").parent)
            printed = succeeded(snakemake(*configuration, *arguments, cwd=checkout, PATH=path))
            shown.write_text(printed, encoding="utf-8")
    return checkout / RESULTS, shown.read_text(encoding="utf-8")


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_rows_of_the_demo_are_not_made_again(results):
    _, shown = results
    made = set(re.findall(r"^\d+ of \d+: (\w+)", shown, re.MULTILINE))
    assert {"train_joint", "train_frozen", "train_classifier", "evaluate_beyond", "demo_text_encoder"} <= made
    assert not made & {"train_phase1", "train_phase2", "train_phase3", "train_note_tokens", "benchmark_samples"}


def test_their_table_has_every_row_with_its_seeds(results):
    directory, _ = results
    rows = table(directory / "tables/beyond.csv")
    assert {row["model"] for row in rows} == ROWS and {row["dataset"] for row in rows} == {"MIMIC-III"}
    seeds = {row["model"]: row["n_seeds"] for row in rows}
    assert [seeds[name] for name in ("Majority", "Name search in the note", "LSTM on the series")] == ["0", "0", "1"]
    assert all(0 <= float(row["mean"]) <= 1 for row in rows)


def test_table_1_has_the_other_rows_below_its_own(results):
    directory, _ = results
    shown = list(dict.fromkeys(row["model"] for row in table(directory / "tables/table1.csv")))
    assert tuple(shown[-len(BEYOND) :]) == BEYOND and "FROZEN" in shown[: -len(BEYOND)]
