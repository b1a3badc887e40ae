"""How rules grow between two rehearsals, and what the whole would take."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT
from test_workflow_usage import benchmark, noted, record

from clinragen.errors import UserError
from clinragen.workflow.growth import Sizes, grown, share_of, sizes_by_rule, table
from clinragen.workflow.usage import Line, read_peaks, read_runs

SHARES = (0.02, 0.1)


def line(rule: str, mem_mb: int | None = 2000, runtime: int | None = 60) -> Line:
    return Line(rule, 1, mem_mb, None, "", runtime, 0.0, "", None, 30, None, "")


def one(small: Sizes, large: Sizes, **requests: int | None):
    [growth] = grown({"toy": small}, {"toy": large}, SHARES, [line("toy", **requests)])
    return growth


def test_the_whole_lies_on_the_line_through_both():
    """A start of 2 s and 100 s for the whole; 300 MB and 1 GB for the whole; 40 MB of disk for the whole."""
    found = one(Sizes(4.0, 320.0, 0.8), Sizes(12.0, 400.0, 4.0))
    assert found.whole_minutes == pytest.approx(102 / 60, abs=0.05)
    assert found.whole_memory_mb == pytest.approx(1300)
    assert found.whole_disk_mb == pytest.approx(40)
    assert (found.seconds_times, found.memory_times, found.remark) == (3.0, 1.25, "")


def test_bounded_memory_stays_as_it_is():
    assert one(Sizes(10, 500.0, None), Sizes(50, 480.0, None)).whole_memory_mb == 480.0


def test_a_step_that_limits_its_memory_is_not_extrapolated_beyond_the_limit(tmp_path):
    trees = {}
    for share, used in zip(SHARES, (400.0, 850.0), strict=True):
        benchmark(tmp_path / f"{share}", "toy", "a", noted(60, used, resources={"memory_limit_mb": 1800}))
        trees[share] = sizes_by_rule(read_runs(tmp_path / f"{share}" / "timings"), [])
    [found] = grown(trees[0.02], trees[0.1], SHARES, [line("toy")])
    assert (found.whole_memory_mb, found.remark) == (1800, "")


@pytest.mark.parametrize(
    ("small", "large", "remark"),
    [
        ((20.0, 100.0), (120.0, 100.0), ""),  # noise
        ((10.0, 100.0), (250.0, 100.0), "more than linear"),
        ((1.0, 100.0), (60.0, 100.0), ""),  # the smaller one was too short to be sampled
        ((10.0, 200.0), (40.0, 1000.0), "memory"),
        ((100.0, 100.0), (480.0, 100.0), "time"),
    ],
)
def test_what_does_not_scale_is_named(small, large, remark):
    assert one(Sizes(*small, None), Sizes(*large, None)).remark == remark


def test_without_requests_nothing_is_exceeded():
    assert one(Sizes(10, 1000, None), Sizes(40, 9000, None), mem_mb=None, runtime=None).remark == ""


def test_a_rule_of_one_tree_only_has_no_growth():
    sizes = Sizes(1.0, 1.0, 1.0)
    assert [g.rule for g in grown({"a": sizes, "b": sizes}, {"b": sizes, "c": sizes}, SHARES, [line("b")])] == ["b"]


def test_processor_time_counts_where_it_was_sampled_and_disk_is_that_of_all_outputs(tmp_path):
    benchmark(tmp_path, "toy", "a", noted(60, 900.0, cpu_time=20.0))
    benchmark(tmp_path, "toy", "b", noted(7, "NA", cpu_time="NA"))
    record(tmp_path, "toy", "x/a.parquet", 950, "python scripts/toy.py")
    record(tmp_path, "toy", "x/b.parquet", 300, "python scripts/toy.py")
    found = sizes_by_rule(read_runs(tmp_path / "timings"), read_peaks(tmp_path))
    assert found == {"toy": Sizes(20.0, 950, 0.0)}


def rehearsal(tree: Path, share: float, seconds: float) -> Path:
    benchmark(tree, "toy", "a", noted(seconds, 900.0, cpu_time=seconds))
    record(tree, "demo_raw_mimic3", "raw/PATIENTS.csv.gz", 100, "python scripts/demo_raw.py", settings={"share": share})
    return tree


def usage(tree: Path, smaller: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / "usage.py"), str(tree), "--smaller", str(smaller)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_program_prints_and_writes_the_growth(tmp_path):
    small, large = rehearsal(tmp_path / "small", 0.02, 10.0), rehearsal(tmp_path / "large", 0.1, 200.0)
    done = usage(large, small)
    assert done.returncode == 0, done.stderr
    assert "at 0.1 of the paper's size; times: as much as at 0.02 (data: 5.0 times)" in done.stdout
    with (large / "audit/growth.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["rule"]: row for row in csv.DictReader(file)}
    assert rows["toy"]["seconds_times"] == "20.0" and rows["toy"]["remark"] == "more than linear"


def test_a_tree_that_is_no_rehearsal_is_a_clear_error(tmp_path):
    large = rehearsal(tmp_path / "large", 0.1, 200.0)
    (tmp_path / "demo").mkdir()
    done = usage(large, tmp_path / "demo")
    assert done.returncode == 2 and "is not a rehearsal" in done.stderr
    with pytest.raises(UserError):
        share_of(tmp_path / "demo")


def test_unknown_values_are_dashes():
    [_, header, row] = table([one(Sizes(1, None, None), Sizes(1, None, None), mem_mb=None)], SHARES)
    assert header.startswith("rule") and row.split()[3:6] == ["-", "-", "-"]
