"""The reason for which a job failed, from the log of its step, and whether another attempt can succeed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A record of the step's logger (clinragen/runtime/log.py) up to the next record, a traceback or a line of torchrun.
_ERROR = re.compile(
    r"^\d\d:\d\d:\d\d ERROR step: (.*?)\n*(?=^\d\d:\d\d:\d\d [A-Z]+ |^(Traceback) |^[EWI]\d{4} |\Z)",
    re.DOTALL | re.MULTILINE,
)
_DONE = re.compile(r"^\d\d:\d\d:\d\d INFO step: \w+: done in [\d.]+ s\s*\Z", re.MULTILINE)
LAST_LINES = 20


def reason(log: Path) -> str:
    """Return the error that a step reported in its log, else the last lines of the log; empty if it has not failed."""
    text = _read(log)
    if _DONE.search(text):
        return ""
    if text.rstrip().endswith("KeyboardInterrupt"):
        return "interrupted"
    errors = list(_ERROR.finditer(text))
    if errors and errors[-1][2] is None:
        return errors[-1][1].strip()
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])


def names_cause(log: Path) -> bool:
    """Return whether the log gives the reason; that of a killed job does not."""
    return re.search(r"^Traceback |^\d\d:\d\d:\d\d ERROR step: ", _read(log), re.MULTILINE) is not None


def reported_by_step(log: Path) -> bool:
    """Return whether the step itself reported the error, which would recur in another attempt.

    A traceback or a killed job may be caused by the machine.
    """
    return any(error[2] is None for error in _ERROR.finditer(_read(log)))


def limit_retries() -> None:
    """Make Snakemake retry a failed job as often as rule and profile say, unless the step reported the error.

    Snakemake retries whatever the cause, and again in each of the two processes that it nests in a SLURM job: with
    `retries: 2` a step that crashes would run ten times.
    """
    from snakemake.jobs import GroupJob, Job

    for kind in (Job, GroupJob):
        kind.restart_times = property(_restart_times(kind.restart_times.fget))


def _restart_times(allowed: Callable[[Any], int]) -> Callable[[Any], int]:
    def restart_times(job: Any) -> int:
        final = not job.dag.workflow.is_main_process or any(reported_by_step(Path(log)) for log in job.log)
        return 0 if final else allowed(job)

    return restart_times


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
