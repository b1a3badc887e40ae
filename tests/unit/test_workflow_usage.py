"""Requests of jobs against what they used."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT
from tiny_tree import COMMON

from clinragen.workflow.usage import compare, hours, read_peaks, read_runs, table


def noted(seconds: float, memory: float | str = 100.0, **changes: object) -> dict:
    """A line of Snakemake's extended benchmark, in the parts that are read."""
    resources = {"_cores": 1, "mem_mb": 2000, "runtime": 60, "tmpdir": "/tmp"} | changes.pop("resources", {})
    return {"s": seconds, "max_rss": memory, "cpu_time": seconds / 2, "threads": 1, "resources": resources} | changes


def benchmark(tree: Path, rule: str, job: str, *lines: dict | str) -> None:
    path = tree / "timings" / rule / f"{job}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), encoding="utf-8")


def record(
    tree: Path, rule: str, output: str, memory: int, command: str, seconds: float = 1.0, **changes: object
) -> None:
    path = tree / Path(output).parent / ".records" / f"{Path(output).name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {"path": f"/elsewhere/{output}", "bytes": 1, "sha256": "", "sharing": "restricted"}
    facts = {"rule": rule, "command": command.split(), "output": described, "inputs": [], "code_digest": "", "code": {}}
    facts |= {"peak_memory_mb": memory, "wall_seconds": seconds} | changes
    path.write_text(json.dumps(COMMON | facts), encoding="utf-8")


def lines_of(tree: Path) -> dict:
    return {line.rule: line for line in compare(read_runs(tree / "timings"), read_peaks(tree))}


def test_the_most_that_any_job_used_and_which_it_was(tmp_path):
    benchmark(tmp_path, "toy", "a", noted(60, 900.4))
    benchmark(tmp_path, "toy", "b", noted(600, 500.0))
    line = lines_of(tmp_path)["toy"]
    assert (line.jobs, line.mem_mb, line.used_mb, line.used_mb_by) == (2, 2000, 900, "a")
    assert (line.runtime, line.used_minutes, line.used_minutes_by) == (60, 10.0, "b")


def test_the_larger_of_sampled_and_noted_memory_counts(tmp_path):
    """Sampling misses short peaks; the main process does not know its children."""
    benchmark(tmp_path, "sampled", "a", noted(60, 900.0))
    record(tmp_path, "sampled", "x/a.parquet", 300, "python scripts/sampled.py")
    benchmark(tmp_path, "noted", "a", noted(60, 300.0))
    record(tmp_path, "noted", "x/b.parquet", 900, "python scripts/noted.py")
    found = lines_of(tmp_path)
    assert (found["sampled"].used_mb, found["sampled"].used_mb_by) == (900, "a")
    assert (found["noted"].used_mb, found["noted"].used_mb_by) == (900, "x/b.parquet")


def test_several_lines_of_a_job_are_one_job_and_its_first_request(tmp_path):
    later = noted(300, 2500.0, resources={"mem_mb": 4000, "runtime": 120})
    benchmark(tmp_path, "toy", "a", noted(60, 1900.0), later)
    line = lines_of(tmp_path)["toy"]
    assert (line.jobs, line.mem_mb, line.runtime, line.used_mb) == (1, 2000, 60, 2500)


def test_torn_lines_and_records_are_passed_over(tmp_path):
    benchmark(tmp_path, "toy", "a", noted(60), json.dumps(noted(999))[:40], "[]", '{"max_rss": 1}', "")
    record(tmp_path, "toy", "x", 1, "python scripts/toy.py")
    (tmp_path / ".records" / "y.json").write_text('{"rule": "toy"')
    line = lines_of(tmp_path)["toy"]
    assert (line.jobs, line.used_minutes) == (1, 1.0)


def test_without_extended_records_the_request_is_unknown(tmp_path):
    benchmark(tmp_path, "plain", "a", {"s": 60.0, "max_rss": 1500.0, "cpu_time": 1.0})
    line = lines_of(tmp_path)["plain"]
    assert (line.mem_mb, line.runtime, line.used_mb, line.proposed_mem_mb) == (None, None, 1500, 2000)
    assert line.remark == "" and table([line])[1].split()[2] == "-"
    assert hours(read_runs(tmp_path / "timings")).cpu_asked == 0


def test_a_job_too_short_to_be_sampled_has_the_memory_of_its_record(tmp_path):
    benchmark(tmp_path, "short", "a", noted(0.2, "NA", cpu_time="NA"))
    assert lines_of(tmp_path)["short"].used_mb is None
    record(tmp_path, "short", "x", 120, "python scripts/short.py")
    assert lines_of(tmp_path)["short"].used_mb == 120


def test_records_alone_tell_time_memory_and_jobs(tmp_path):
    for name, command in (("a", "one"), ("b", "one"), ("c", "two")):
        record(tmp_path, "toy", name, 100, f"python scripts/toy.py {command}", seconds=120.0)
    line = lines_of(tmp_path)["toy"]
    assert (line.jobs, line.used_mb, line.used_minutes, line.mem_mb) == (2, 100, 2.0, None)


@pytest.mark.parametrize(
    ("used", "asked", "proposed", "remark"),
    [
        (1601, 2000, 2500, "memory tight"),
        (1600, 2000, 2500, ""),
        (499, 2000, 1000, "memory loose"),
        (500, 2000, 1000, ""),
        (100, 1000, 1000, ""),  # nothing less is proposed
        (4000, 24000, 6000, "memory loose"),
        (20000, 24000, 28000, "memory tight"),
    ],
)
def test_memory_is_proposed_with_a_margin_in_steps_above_a_floor(tmp_path, used, asked, proposed, remark):
    benchmark(tmp_path, "toy", "a", noted(1800, float(used), resources={"mem_mb": asked}))
    line = lines_of(tmp_path)["toy"]
    assert (line.proposed_mem_mb, line.remark) == (proposed, remark)


@pytest.mark.parametrize(
    ("minutes", "asked", "proposed", "remark"),
    [
        (1, 30, 30, ""),
        (1, 240, 30, "time loose"),
        (50, 60, 120, "time tight"),
        (500, 1440, 1200, ""),
    ],
)
def test_time_is_proposed_likewise(tmp_path, minutes, asked, proposed, remark):
    benchmark(tmp_path, "toy", "a", noted(60.0 * minutes, 1000.0, resources={"runtime": asked}))
    line = lines_of(tmp_path)["toy"]
    assert (line.proposed_runtime, line.remark) == (proposed, remark)


@pytest.mark.parametrize(
    ("asked", "gpus", "cores"),
    [
        ({"gpu": 2}, 2, 2),
        ({"gpu": 2, "slurm_partition": "gpu"}, 2, 2),
        ({"gres": "gpu:2", "nodes": 3, "mpi": "srun"}, 6, 6),
        ({"gres": "gpu:a100:2", "nodes": 3}, 6, 6),
        ({"gres": "gpu", "nodes": 3}, 3, 6),
        ({"gres": "licence:2"}, 0, 2),
        ({}, 0, 2),
    ],
)
def test_hours_of_gpus_and_cpus_over_all_nodes(tmp_path, asked, gpus, cores):
    line = noted(1800, threads=2, resources={"runtime": 60} | asked)
    benchmark(tmp_path, "toy", "a", line)
    total = hours(read_runs(tmp_path / "timings"))
    assert (total.gpu_asked, total.gpu_used) == (gpus, gpus / 2)
    assert (total.cpu_asked, total.cpu_used) == (cores, 0.25)


def usage(tree: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / "usage.py"), str(tree)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_program_prints_the_table_and_writes_it(tmp_path):
    benchmark(tmp_path, "toy", "a", noted(3600, 1900.0, resources={"gpu": 1}))
    benchmark(tmp_path, "extract_stays", "mimic3", noted(60, 900.0))
    done = usage(tmp_path)
    assert done.returncode == 0, done.stderr
    header, first, second, *_ = done.stdout.splitlines()
    assert header.split()[:3] == ["rule", "jobs", "mem_mb"] and first.startswith("extract_stays ")
    assert second.split()[-6:] == ["2500", "120", "memory", "tight,", "time", "tight"]
    assert "GPU hours: 1.00 asked for, 1.00 used; CPU hours: 2.00 asked for, 0.51 used" in done.stdout
    with (tmp_path / "audit" / "usage.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["rule"], r["used_mb"], r["remark"]) for r in rows] == [
        ("extract_stays", "900", "time loose"),
        ("toy", "1900", "memory tight, time tight"),
    ]
    assert [p.name for p in (tmp_path / "audit").iterdir()] == ["usage.csv"]


def test_nothing_to_read_is_a_clear_error(tmp_path):
    done = usage(tmp_path)
    assert done.returncode == 2 and "neither timings nor records" in done.stderr and not list(tmp_path.iterdir())
