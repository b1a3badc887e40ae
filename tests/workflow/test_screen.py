"""The screen of a run of the real workflow when a job finishes, and when one fails."""

import re

from runs import header_only, overlay, snakemake, succeeded


def test_a_failed_job_shows_its_own_error_last_and_is_not_tried_again(tmp_path):
    raw = header_only(tmp_path / "raw", "mimic3")  # its row has no values, which only the job finds out
    datasets = {"mimic3": {"source": "folder", "raw": str(raw)}, "mimic4": None}
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=datasets)
    target = tmp_path / "results/mimic3/extract/stays.parquet"
    failed = snakemake("--configfile", tree, "--cores", "1", "--retries", "1", "--", target)
    assert failed.returncode == 1
    shown = failed.stdout.rstrip()
    assert shown.count("Error in rule extract_stays mimic3:") == 2  # at once, and at the end
    assert "Trying to restart" not in shown and "Traceback" not in shown and "non-zero" not in shown
    log = (tmp_path / "results/logs/extract_stays/mimic3.log").read_text(encoding="utf-8")
    error = re.search(r"ERROR step: (.*)", log)[1]
    assert "empty in 1 of 1 rows" in error and shown.endswith(error)


def test_a_finished_job_is_one_line_and_touching_keeps_its_log(tmp_path):
    tree = overlay(
        tmp_path / "tree.yaml", tmp_path / "results", demo={"patients": {"mimic3": 20, "mimic4": 20}, "lessons": 0}
    )
    target, log = tmp_path / "results/mimic3/raw/PATIENTS.csv.gz", tmp_path / "results/logs/demo_raw/mimic3.log"
    arguments = ("--configfile", "config/demo.yaml", tree, "--cores", "1", "--quiet", "host")
    shown = succeeded(snakemake(*arguments, "--", target))
    assert re.search(r"^1 of 1: demo_raw_mimic3 mimic3, \d+ s$", shown, re.MULTILINE)
    assert "Select jobs" not in shown and "Finished jobid" not in shown and "Provided cores" in shown
    succeeded(snakemake(*arguments, "--touch", "--forcerun", "demo_raw_mimic3", "--", target))
    assert "demo_raw: done in" in log.read_text(encoding="utf-8")
