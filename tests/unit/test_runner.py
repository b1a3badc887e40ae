"""What a run shows on the screen, and which failures are worth another attempt."""

import logging

import pytest

from clinragen.runner.failures import LAST_LINES, reason, reported_by_step
from clinragen.runner.screen import Screen, show

BEGIN = "12:00:00 INFO step: train_phase1: python scripts/train_phase1.py\n"
REPORTED = BEGIN + "12:00:01 ERROR step: x.csv: missing column(s): age\n  - export it again\n"
TORCHRUN = "E1124 12:00:02.000 7 torch/distributed/elastic] failed (exitcode: 2)\nTraceback (most recent call last):\n"
CRASH = BEGIN + "Traceback (most recent call last):\nValueError: NaN\n"
OS_ERROR = BEGIN + "12:00:01 ERROR step: x.csv: Input/output error\n" + CRASH.removeprefix(BEGIN)
DONE = BEGIN + "12:00:01 WARNING x: a line\n12:00:02 INFO step: train_phase1: done in 2.0 s\n"


@pytest.mark.parametrize(
    ("text", "wanted", "final"),
    [
        (REPORTED, "x.csv: missing column(s): age\n  - export it again", True),
        (REPORTED + TORCHRUN, "x.csv: missing column(s): age\n  - export it again", True),
        (REPORTED + "12:00:02 INFO x: more\n", "x.csv: missing column(s): age\n  - export it again", True),
        (OS_ERROR, OS_ERROR.strip(), False),
        (CRASH.rstrip() + "\nKeyboardInterrupt\n", "interrupted", False),
        (CRASH, CRASH.strip(), False),
        (BEGIN, BEGIN.strip(), False),
        (DONE, "", False),
        ("", "", False),
        ("line\n" * 99 + "last", "line\n" * (LAST_LINES - 1) + "last", False),
    ],
)
def test_the_reason_is_the_error_that_the_step_reported_or_the_end_of_its_log(tmp_path, text, wanted, final):
    log = tmp_path / "x.log"
    log.write_text(text, encoding="utf-8")
    assert reason(log) == wanted and reported_by_step(log) is final


def test_a_log_that_is_missing_has_no_reason(tmp_path):
    assert reason(tmp_path / "x.log") == "" and not reported_by_step(tmp_path / "x.log")


class Run:
    """A logger with Snakemake's handler, and what it has shown."""

    def __init__(self, capsys, **settings: bool) -> None:
        self.logger, self.capsys = logging.Logger("snakemake"), capsys
        handler = logging.StreamHandler()
        handler.name = "DefaultStreamHandler"
        handler.addFilter(lambda record: False)
        self.logger.addHandler(handler)
        show(self.logger, total=3, **settings)

    def log(self, message: str = "", **extra: object) -> str:
        """What is shown for one record, without empty lines: Snakemake's own handler leaves them out."""
        self.logger.info(message, extra=extra)
        return self.capsys.readouterr().err.strip("\n")

    def start(self, jobid: int, rule: str, *wildcards: str) -> str:
        return self.log(event="job_info", jobid=jobid, rule_name=rule, wildcards=dict(enumerate(wildcards)))

    def fail(self, jobid: int, rule: str, log: object, message: str | None = None, indent: bool = False) -> str:
        return self.log(event="job_error", jobid=jobid, rule_name=rule, log=[str(log)], rule_msg=message, indent=indent)


def test_each_finished_job_is_one_line_with_a_count(capsys):
    run = Run(capsys)
    assert run.start(7, "train_phase1", "mimic3", "1") == run.start(8, "extract_stays", "mimic4") == ""
    assert run.log("Finished jobid: 8", event="job_finished", job_id=8) == "1 of 3: extract_stays mimic4, 0 s"
    assert run.log(event="progress") == run.log("Select jobs to execute...") == run.log("Execute 1 jobs...") == ""
    assert run.log(event="job_finished", job_id=7) == "2 of 3: train_phase1 mimic3 1, 0 s"
    assert run.log("Job 9 has been submitted with SLURM jobid 4") == "Job 9 has been submitted with SLURM jobid 4"


def test_without_progress_only_failures_are_shown(capsys, tmp_path):
    run = Run(capsys, progress=False)
    run.start(1, "extract_stays")
    assert run.log(event="job_finished", job_id=1) == ""
    assert run.fail(2, "extract_notes", tmp_path / "none", "SLURM sbatch failed.") != ""


def test_the_reasons_of_all_failures_come_last(capsys, tmp_path):
    (tmp_path / "reported.log").write_text(REPORTED, encoding="utf-8")
    (tmp_path / "crash.log").write_text(CRASH, encoding="utf-8")
    run, last = Run(capsys), "WorkflowError:\nAt least one job did not complete successfully."
    for jobid, seed in ((1, "1"), (2, "2"), (3, "3")):
        run.start(jobid, "train_phase1", seed)
    shown = run.fail(1, "train_phase1", tmp_path / "reported.log")
    assert shown.splitlines()[0] == "Error in rule train_phase1 1:" and shown.endswith("export it again")
    assert run.log("Command 'x' returned non-zero exit status 2.", event="error") == ""
    refused = run.fail(
        2, "train_phase1", tmp_path / "none", "sbatch failed.\nToo large\n    sbatch call:\n  sbatch --long"
    )
    assert refused == "Error in rule train_phase1 2:\n    sbatch failed.\n    Too large"
    assert "NaN" in run.fail(3, "train_phase1", tmp_path / "crash.log")
    run.log(event="job_finished", job_id=3)  # the second attempt
    assert run.log(last, event="error") == shown + "\n" + refused


def test_the_last_line_is_what_explains_the_failure(capsys, tmp_path):
    run, killed = Run(capsys), "SLURM status is: 'OUT_OF_MEMORY'. For further error details see the log"
    for name, text in (("begin", BEGIN), ("crash", CRASH)):
        (tmp_path / f"{name}.log").write_text(text, encoding="utf-8")
    assert run.fail(1, "train_phase1", tmp_path / "begin.log", killed).endswith("SLURM status is: 'OUT_OF_MEMORY'.")
    assert run.fail(2, "train_phase1", tmp_path / "crash.log", killed).endswith("ValueError: NaN")


def test_of_a_failed_group_only_the_members_that_failed_are_shown(capsys, tmp_path):
    (tmp_path / "done.log").write_text(DONE, encoding="utf-8")
    (tmp_path / "reported.log").write_text(REPORTED, encoding="utf-8")
    run = Run(capsys)

    def group(*names: str) -> str:
        members = [{"jobid": jobid, "log": [str(tmp_path / name)]} for jobid, name in enumerate(names, 1)]
        return run.log("Error in group benchmark", event="group_error", job_error_info=members)

    assert group("done.log", "reported.log") == ""
    assert run.fail(1, "benchmark_split", tmp_path / "done.log", indent=True) == ""
    assert run.fail(2, "benchmark_card", tmp_path / "never-started.log", indent=True) == ""
    assert "missing column(s): age" in run.fail(3, "benchmark_labels", tmp_path / "reported.log", indent=True)
    assert "SLURM refused it" in group("never-started.log", "neither.log")


def test_an_unknown_record_is_shown_as_it_is():
    record = logging.LogRecord("snakemake", logging.ERROR, "", 0, "LockException: locked", None, None)
    screen = Screen(total=1)
    assert screen.filter(record) and screen.format(record) == "LockException: locked"
