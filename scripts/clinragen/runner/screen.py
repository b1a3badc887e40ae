"""Output of a run on the screen: a line per finished job, and the reasons of failed jobs, repeated at the end."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinragen.runner.failures import names_cause, reason

# Messages of Snakemake that only repeat what the lines of the jobs say.
NOISE = ("Select jobs to execute", "Execute ", "Exiting because a job execution failed", "Shutting down, this might")
HIDDEN = ("job_info", "job_started", "group_info", "progress", "shellcmd", "resources_info")
FAILED = "At least one job did not complete successfully."


class Screen(logging.Formatter):
    """Filter and format of Snakemake's records.

    `total` is the number of jobs of the run; `progress` says whether finished jobs are shown.
    """

    def __init__(self, total: int, progress: bool = True) -> None:
        super().__init__()
        self.total, self.progress, self.finished = total, progress, 0
        self.jobs: dict[int, tuple[str, float]] = {}
        self.failures: dict[int, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record can have a text; remember which jobs have started."""
        event, facts = getattr(record, "event", None), vars(record)
        if event == "job_info":
            self.jobs[facts["jobid"]] = (_title(facts["rule_name"], facts["wildcards"]), time.monotonic())
        return event not in HIDDEN and not record.getMessage().startswith(NOISE)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of one record; if it is empty, nothing is shown."""
        event, message = getattr(record, "event", None), record.getMessage()
        if event == "job_finished":
            return self._finished(vars(record)["job_id"])
        if event == "job_error":
            return self._failed(vars(record))
        if event == "group_error":
            return self._group_failed(message, vars(record)["job_error_info"])
        if event == "error" and message.endswith(FAILED) and self.failures:
            return "\n".join(self.failures.values())
        # The command of a failed job; its reason is shown as a job_error.
        return "" if event == "error" and "returned non-zero exit status" in message else message

    def _finished(self, jobid: int) -> str:
        self.failures.pop(jobid, None)
        self.finished += 1
        title, started = self.jobs.get(jobid, (f"job {jobid}", time.monotonic()))
        line = f"{self.finished} of {self.total}: {title}, {time.monotonic() - started:.0f} s"
        return line if self.progress else ""

    def _failed(self, facts: Mapping[str, Any]) -> str:
        title = self.jobs[facts["jobid"]][0] if facts["jobid"] in self.jobs else facts["rule_name"]
        logs = [Path(log) for log in facts["log"] if Path(log).is_file()]
        step = next(filter(None, map(reason, logs)), "")  # the log of SLURM comes after that of the step
        if facts["indent"] and not step:
            return ""  # a member of a group that has not failed
        executor = facts["rule_msg"] or ""  # such as the refusal of sbatch, without the command line that follows
        for more in ("For further error details", "    sbatch call:"):
            executor = executor.partition(more)[0].strip()
        causes = [executor, step] if any(map(names_cause, logs)) else [step, executor]
        return self._keep(facts["jobid"], f"Error in rule {title}:", *(f"log: {log}" for log in logs), *causes)

    def _group_failed(self, message: str, members: Sequence[Mapping[str, Any]]) -> str:
        if any(reason(Path(log)) for member in members for log in member["log"]):
            return ""  # the members that failed are shown
        cause = "none of its jobs has started; SLURM refused it or ended it before"  # Snakemake does not say which
        return self._keep(members[0]["jobid"], f"{message}:", cause)

    def _keep(self, jobid: int, *lines: str) -> str:
        self.failures[jobid] = "\n    ".join("\n".join(filter(None, lines)).splitlines())
        return self.failures[jobid]


def _title(rule: str, wildcards: Mapping[str, str]) -> str:
    return " ".join([rule, *wildcards.values()])


def show(logger: logging.Logger, total: int, progress: bool = True) -> None:
    """Show a run of `total` jobs in this way; the log file in `.snakemake/log/` keeps Snakemake's format."""
    screen = Screen(total, progress)
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.setFormatter(screen)
            handler.filters = [screen]
