"""Dirty values, full disks and simultaneous runs through the real scripts."""

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest
from extract_runs import (
    BOTH,
    ROWS,
    SECRET,
    TABLES,
    arguments,
    assert_refused,
    chart,
    good_directory,
    pack,
    run_extract,
    whole,
)
from raw_folders import DECLARATION, write_raw
from runs import ROOT, copy_of_checkout, overlay
from step_script import SCRIPTS, left_over, start_step

from clinragen.registry.raw import raw_path
from clinragen.schemas.extract import ATTRITION, STAYS


@pytest.mark.parametrize("dataset", BOTH)
@pytest.mark.parametrize("step", TABLES)
def test_line_ends_byte_order_marks_and_further_columns_are_no_matter(step, dataset, tmp_path):
    directory = good_directory(tmp_path, dataset)
    paths = [raw_path(dataset, directory / "raw", table) for table in TABLES[step]]
    for path in paths:
        head, *rest = whole(path).splitlines()
        # As some programs write a table: a column more, and one without a name for the number of the row.
        lines = [f",{head},comment", *(f"{n},{line},{SECRET}" for n, line in enumerate(rest))]
        pack(path, "\ufeff" + "".join(f"{line}\r\n" for line in lines))
    done = run_extract(step, dataset, directory)
    assert done.returncode == 0, done.stderr
    written = directory / "results" / f"{step.removeprefix('extract_')}.parquet"
    assert pq.read_metadata(written).num_rows == ROWS[step]
    assert done.stderr.count("known release: unnamed_1, comment") == len(paths) and "Planted" not in done.stderr


# Entries of real files: item, value, unit, value in the unit of the variable or None, step that drops or converts it.
MISSING, READABLE = "that does not stand for a missing value", "with a readable value"
PLAUSIBLE, STAYED = "within the plausible range", "during the ICU stay"
DIRTY = [
    (211, "88", "bpm", 88, None),
    (618, ">60/minute", "bpm", None, READABLE),
    (51, "80/xx", "mmHg", None, READABLE),
    (211, "NaN", "bpm", None, MISSING),
    (211, "inf", "bpm", None, READABLE),
    (211, "-5", "bpm", None, PLAUSIBLE),
    (211, "9" * 400, "bpm", None, READABLE),
    (455, "9" * 400 + "/80", "mmHg", None, PLAUSIBLE),
    (455, "120/80", "mmHg", 120, "systolic of a pair"),
    (223761, "98.6", "?F", 37, "temperature from Fahrenheit"),
    (3420, "50", "%", 0.5, "oxygen from percent"),
    (834, "0.98", "%", 98, "saturation from a fraction"),
    (226531, "100", "lbs", 45.3592, "weight from pounds"),
    (226707, "70", "in", 177.8, "height from inches"),
    (198, "Planted", "", None, READABLE),
]


def test_dirty_values_are_repaired_or_dropped_and_counted(tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    rows = [chart("mimic3", 1, item, value, valueuom=unit) for item, value, unit, _, _ in DIRTY]
    late = chart("mimic3", 1, 211, "90", charttime="2150-01-01 00:00:00")
    write_raw(directory / "raw", "mimic3", "chartevents", [*rows, late])
    write_raw(directory / "raw", "mimic3", "labevents", [{"itemid": 1}])
    done = run_extract("extract_events", "mimic3", directory)
    assert done.returncode == 0 and "Planted" not in done.stderr, done.stderr
    found = pq.read_table(directory / "results" / "events.parquet")["value"].to_pylist()
    kept = [value for *_, value, _ in DIRTY if value is not None]
    assert sorted(found) == pytest.approx(sorted(kept), rel=1e-6)

    steps = ATTRITION.read(directory / "results" / "attrition.csv").to_pylist()
    left = {s["step"]: s["rows"] for s in steps if s["table"] == "events"}
    dropped = {step: sum(d[4] == step for d in DIRTY) for step in (MISSING, READABLE, PLAUSIBLE)} | {STAYED: 1}
    before = left["rows of the mapped items with a text"]
    assert before == len(DIRTY) + 1
    for step, lost in dropped.items():
        before -= lost
        assert left[step] == before, step
    converted = {s["step"] for s in steps if s["table"] == "conversions" and s["rows"]}
    assert converted == {d[4] for d in DIRTY if d[3] is not None and d[4]}


def limited(size: int) -> Callable[[], None]:
    """Return what limits the files of a child process to `size` bytes: a larger write fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("step", TABLES)
def test_an_output_that_finds_no_room_is_named(step, tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    done = run_extract(step, "mimic3", directory, preexec_fn=limited(100))
    assert_refused(done, directory, str(directory / "results"), "File too large; free up space and run again")


@pytest.mark.parametrize("step", ["extract_stays", "extract_events"])
def test_two_runs_of_a_step_at_once_end_with_whole_outputs(step, tmp_path):
    directory = good_directory(tmp_path, "mimic3")
    copies = [start_step(SCRIPTS / f"{step}.py", *arguments(step, "mimic3", directory)) for _ in range(2)]
    for copy in copies:
        text, _ = copy.communicate(timeout=60)
        assert copy.returncode == 0, text
    results = directory / "results"
    assert pq.read_table(results / f"{step.removeprefix('extract_')}.parquet").num_rows == ROWS[step]
    assert ATTRITION.read(results / "attrition.csv").num_rows > 0
    assert left_over(results) == [] and all(json.loads(p.read_text()) for p in results.rglob(".records/*.json"))
    assert len(list(results.rglob(".records/*.json"))) == (3 if step == "extract_stays" else 2)


def test_a_second_snakemake_says_that_the_directory_is_locked(tmp_path):
    checkout = copy_of_checkout(tmp_path / "checkout")
    directory = good_directory(tmp_path, "mimic3")
    for table in DECLARATION["mimic3"]["tables"]:
        if not raw_path("mimic3", directory / "raw", table).is_file():
            write_raw(directory / "raw", "mimic3", table, [{}])
    data = {"mimic3": {"raw": str(directory / "raw")}, "mimic4": None}
    config = overlay(tmp_path / "config.yaml", tmp_path / "results", datasets=data)
    target = tmp_path / "results" / "mimic3" / "extract" / "stays.parquet"
    python = ROOT / ".venv" / "bin" / "python"
    command = [str(python), "-m", "snakemake", "--configfile", str(config), "--cores", "1", str(target)]
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    start = {"cwd": checkout, "env": os.environ | path, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    first = subprocess.Popen(command, text=True, **start)
    locks = checkout / ".snakemake" / "locks"
    end = time.monotonic() + 60
    # Snakemake writes the locks of outputs last; it fills a file after making it.
    while not any(lock.stat().st_size for lock in locks.glob("*.output.lock")):
        assert time.monotonic() < end and first.poll() is None, "the first run took no lock"
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        # The first one's job may have begun: without this, its outputs are refused before the lock is.
        again = [*command, "--rerun-incomplete"]
        second = subprocess.run(again, text=True, timeout=60, check=False, **start)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    text, _ = first.communicate(timeout=120)
    assert second.returncode == 1 and "Directory cannot be locked" in second.stdout
    assert first.returncode == 0, text
    assert STAYS.read(target).num_rows == 2 and left_over(tmp_path / "results") == []
