"""Killed processes, duplicate jobs and full disks: an output is complete or absent."""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from step_script import left_over, run_step, start_step, write_step

from clinragen.provenance.record import describe

SLOW = """
with out.path.open("w") as file:
    file.write("first half, ")
    file.flush()
    go = Path(str(out.final) + ".go")
    while slow and not go.exists():
        import time; time.sleep(0.01)
    file.write("second half")
"""
WHOLE = "first half, second half"


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the step did not get there in time"
        time.sleep(0.01)


def half_written(directory: Path) -> list[Path]:
    return [p for p in directory.glob(".tmp-*") if p.stat().st_size]


def test_a_killed_step_leaves_no_output_and_the_next_run_cleans_up(tmp_path):
    script = write_step(tmp_path, "slow: bool, out: Out", SLOW)
    directory = tmp_path / "results"
    process = start_step(script, "--slow", "true", "--out", directory / "o")
    wait_for(lambda: directory.is_dir() and half_written(directory))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (directory / "o").exists() and len(left_over(directory)) == 1

    done = run_step(script, "--slow", "false", "--out", directory / "o")
    assert done.returncode == 0, done.stderr
    assert (directory / "o").read_text() == WHOLE and left_over(directory) == []


def test_a_killed_step_leaves_the_output_of_an_earlier_run(tmp_path):
    script = write_step(tmp_path, "slow: bool, out: Out", SLOW)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "o").write_text("earlier")
    process = start_step(script, "--slow", "true", "--out", tmp_path / "results" / "o")
    wait_for(lambda: half_written(tmp_path / "results"))
    process.kill()
    process.communicate()
    assert (tmp_path / "results" / "o").read_text() == "earlier"


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_two_copies_of_a_job_end_with_one_whole_output(kind, tmp_path):
    writing = (
        SLOW
        if kind == "file"
        else "out.path.mkdir(); inner = out.path / 'f'\n" + SLOW.replace("out.path.open", "inner.open")
    )
    script = write_step(tmp_path, "slow: bool, out: Out", writing)
    directory = tmp_path / "results"
    copies = [start_step(script, "--slow", "true", "--out", directory / "o") for _ in range(2)]
    wait_for(lambda: directory.is_dir() and len(left_over(directory)) == 2)
    (directory / "o.go").write_text("")
    for copy in copies:
        text, _ = copy.communicate(timeout=30)
        assert copy.returncode == 0, text
    assert (directory / "o" / "f" if kind == "directory" else directory / "o").read_text() == WHOLE
    assert left_over(directory) == []


ROUNDS = 30
PARTS = """
import secrets
from clinragen.runtime import outputs
if not exchange:  # as on most network file systems
    outputs._exchange = lambda one, other: False
word = secrets.token_hex(4)
if directory:
    out.path.mkdir()
    for part in range(5):
        (out.path / str(part)).write_text(word)
else:
    out.path.write_text(word * 5)
"""


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no exchange"])
@pytest.mark.parametrize("directory", [True, False], ids=["directory", "file"])
def test_two_copies_that_commit_at_the_same_moment_leave_a_whole_output_and_its_record(directory, exchange, tmp_path):
    """Unlike real copies they write different words, so that a mixture would be detected."""
    script = write_step(tmp_path, "directory: bool, exchange: bool, out: Out", PARTS)
    script.write_text(script.read_text().replace("    run(toy)", f"    for _ in range({ROUNDS}):\n        run(toy)"))
    output = tmp_path / "results" / "o"
    copies = [start_step(script, "--directory", directory, "--exchange", exchange, "--out", output) for _ in range(2)]
    wait_for(output.exists)
    gaps = 0
    while any(copy.poll() is None for copy in copies):
        gaps += not output.exists()
        time.sleep(0.0005)
    for copy in copies:
        text, _ = copy.communicate()
        assert copy.returncode == 0, text
    assert exchange is False or gaps == 0
    words = {p.read_text() for p in output.iterdir()} if directory else {output.read_text()}
    assert len(words) == 1 and (not directory or len(list(output.iterdir())) == 5)
    record = json.loads((output.parent / ".records" / "o.json").read_text())
    assert record["output"]["sha256"] == describe(output)["sha256"]
    assert left_over(tmp_path) == []


FILLERS = {
    "plain file": "out.path.write_bytes(bytes(8 << 20))",
    "parquet": """
        import os, pyarrow as pa
        from clinragen.schemas.schema import Column, Table
        table = pa.table({"a": [os.urandom(8 << 20)]})
        Table("t", (Column("a", pa.binary(), "bytes"),)).write(table, out.path)
        """,
}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, if this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("writing", FILLERS.values(), ids=FILLERS.keys())
def test_a_full_disk_is_reported_with_the_name_of_the_file(writing, small_disk, tmp_path):
    script = write_step(tmp_path, "out: Out", writing, name="filler")
    output = small_disk / "o.parquet"
    done = run_step(script, "--out", output)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"ERROR step: {output}: No space left on device" in done.stderr
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_at_the_record_leaves_no_partial_record(small_disk, tmp_path):
    script = write_step(tmp_path, "out: Out", "out.path.write_bytes(bytes(1 << 20))", name="filler")
    done = run_step(script, "--out", small_disk / "o")
    assert done.returncode == 2 and "No space left on device" in done.stderr
    assert left_over(small_disk) == [] and list((small_disk / ".records").iterdir()) == []


def limit_file_size() -> None:
    # Without the signal a write beyond the limit is an error, as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


@pytest.mark.parametrize("writing", FILLERS.values(), ids=FILLERS.keys())
def test_a_failed_write_is_reported_with_the_name_of_the_file(writing, tmp_path):
    script = write_step(tmp_path, "out: Out", writing, name="filler")
    directory = tmp_path / "results"
    done = run_step(script, "--out", directory / "o.parquet", preexec_fn=limit_file_size)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"ERROR step: {directory / 'o.parquet'}: File too large" in done.stderr
    assert list(directory.iterdir()) == []
