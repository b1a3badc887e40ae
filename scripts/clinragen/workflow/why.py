"""Explain why jobs would run: differences between the records of their outputs and their current inputs."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from clinragen.errors import UserError
from clinragen.provenance.digest import code_digest, code_files
from clinragen.provenance.record import File, Input, Record, describe, read_record, record_path

# Larger raw files are compared by size, and by content only if they are newer than the record.
LARGEST_HASHED = 100_000_000
# Characters of a value in a line.
LONGEST = 200
# A rule that is like another (`use rule`) runs the same script; its name only adds a suffix.
TWIN = re.compile(r"_(served|mimic3|mimic4)$")
_describe = cache(describe)


@dataclass(frozen=True)
class Setting:
    """A value that a job would be given: its place in the configuration, and its text on the command line."""

    place: str
    text: str


@dataclass(frozen=True)
class Job:
    """A job of the workflow. Only `planned` ones have what Snakemake says: missing, newer, changed, words."""

    rule: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """By the argument of the script."""
    missing: tuple[str, ...] = ()
    """Outputs that do not exist."""
    newer: tuple[str, ...] = ()
    """Inputs that are newer than the outputs and not known to be the same."""
    waits_for: tuple[int, ...] = ()
    """Indices of the jobs whose outputs it reads."""
    planned: bool = True
    """Whether Snakemake would run it."""
    checksum_limit: int = 1_000_000
    """Bytes up to which Snakemake compares contents."""
    command_changed: bool = False
    """Whether the rule's own command changed."""
    environment_changed: bool = False
    words: str = ""
    """What Snakemake says, empty where the job only waits."""


def reasons(job: Job) -> list[str]:
    """Return what differs for this job itself, a line each; nothing if it only waits for others."""
    record, lines = None, []
    for output in map(Path, job.outputs):
        try:
            record = record or read_record(output)
            if not job.planned and output.exists() and not record_path(output).is_file():
                lines.append(f"{output} has no record")
        except UserError as error:
            lines.append(str(error))
    if record is None:
        if job.missing:
            return ["it has not run yet"]
        return [*lines, f"it has no record; Snakemake says: {job.words}"] if job.words else lines
    missing = job.missing if job.planned else (output for output in job.outputs if not Path(output).exists())
    lines += [f"{path} is missing" for path in missing]
    stage = job.rule.split("_")[0]
    if job.command_changed:
        lines.append(f"the command of the rule changed (rules/{stage}.smk)")
    if job.environment_changed:
        lines.append("the environment changed (`--sdm conda` switched on or off, or the rule's file in envs/)")
    lines += changed_code(record, TWIN.sub("", job.rule))
    lines += changed_settings(record["settings"], job.settings)
    lines += changed_files(record["inputs"], job)
    return lines or [job.words] * bool(job.words)


def changed_code(record: Record, rule: str) -> list[str]:
    """Return the files of a rule's code that differ from those in a record."""
    if record["code_digest"] == code_digest(rule):
        return []
    before, now = record["code"], code_files(rule)
    words = {(True, True): "changed", (False, True): "is now imported", (True, False): "is no longer imported"}
    return [
        f"scripts/{path} {words[path in before, path in now]}"
        for path in sorted(before.keys() | now.keys())
        if before.get(path) != now.get(path)
    ]


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Setting]) -> list[str]:
    """Return the changed keys of the configuration with their old and new values."""
    return [
        f"{key}: {_change(old, new)}"
        for argument, setting in now.items()
        if argument in before  # the others are private, or the code changed too
        for key, old, new in _differences(setting.place, before.get(argument), _value(setting.text))
    ]


def _value(text: str) -> Any:
    """Return a section as a dictionary, any other value as it is on the command line."""
    return json.loads(text) if text.startswith("{") else text


def _differences(place: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            yield from _differences(f"{place}.{key}", old.get(key), new.get(key))
    elif old != new and str(old) != str(new) and old != "<private>":
        yield place, old, new


def _change(old: Any, new: Any) -> str:
    """Return the old and the new value, of lists only the elements that differ; long ones are cut."""
    if isinstance(old, list) and isinstance(new, list):
        parts = {"without": [x for x in old if x not in new], "with": [x for x in new if x not in old]}
        if any(parts.values()):
            return ", ".join(f"{word} {_text(x)}" for word, elements in parts.items() for x in elements)
    return f"{_text(old)} → {_text(new)}"


def _text(value: Any) -> str:
    text = "nothing" if value in (None, "") else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def changed_files(before: Sequence[Input], job: Job) -> list[str]:
    """Return the inputs that were added, removed or changed since the record, whatever their times.

    An input made by a job is compared by its record, any other by its content.
    """
    used = {facts["path"]: facts for facts in before}
    lines = [f"it now reads {path}" for path in job.inputs if path not in used]
    lines += [f"it no longer reads {path}" for path in used if path not in job.inputs]
    for path in (path for path in job.inputs if path in used and Path(path).exists()):
        now = _file_now(path, used[path], path in job.newer)
        if now["sha256"] != used[path]["sha256"]:
            lines.append(f"{path}: {_file(used[path])} → {_file(now)}")
        elif path in job.newer:
            large = now["bytes"] > job.checksum_limit
            why = "is too large for Snakemake to compare" if large else "Snakemake has no checksum of it"
            lines.append(f"{path} is newer, with the same content, and {why}")
    return lines


def _file_now(path: str, before: File, newer: bool) -> File:
    try:
        record = read_record(Path(path))
    except UserError:
        record = None
    if record and not newer:
        return record["output"]
    place = Path(path)
    if not newer and place.is_file() and place.stat().st_size == before["bytes"] > LARGEST_HASHED:
        return before
    return _describe(place)


def _file(facts: File) -> str:
    return f"{facts['bytes']} bytes (sha256 {facts['sha256'][:12]})"


def explain(jobs: Sequence[Job], rule: str | None = None) -> list[str]:
    """Return a line per group of jobs of a rule with equal reasons; first those that wait for the fewest others.

    A reason that is not the job's own names, after `through`, the rules of the jobs that it waits for. Jobs that
    Snakemake does not plan come last, and only if they have reasons.
    """
    own = [reasons(job) for job in jobs]
    before = [{m for m in _before(jobs, n) if job.planned and jobs[m].planned} for n, job in enumerate(jobs)]
    order = sorted(range(len(jobs)), key=lambda n: (not jobs[n].planned, len(before[n]), jobs[n].rule))
    groups: dict[tuple[str, bool, str], int] = {}
    for n in order:
        if (rule is None or jobs[n].rule == rule) and (jobs[n].planned or own[n]):
            through: dict[str, list[str]] = {}
            for other in (m for m in order if m in before[n]):
                for reason in own[other]:
                    through.setdefault(reason, []).append(jobs[other].rule)
            key = (jobs[n].rule, jobs[n].planned, _sentence(own[n], through))
            groups[key] = groups.get(key, 0) + 1
    return [
        f"{name}, {count} job{'s' * (count > 1)}{'' if planned else ' by the records (--forcerun ' + name + ')'}: {why}"
        for (name, planned, why), count in groups.items()
    ]


def _before(jobs: Sequence[Job], n: int) -> set[int]:
    """Return all jobs whose outputs a job descends from."""
    found: set[int] = set()
    waiting = list(jobs[n].waits_for)
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += jobs[other].waits_for
    return found


def _sentence(own: Sequence[str], through: Mapping[str, Sequence[str]]) -> str:
    lines = list(own)
    for reason in sorted(through.keys() - set(own)):
        first, *others = dict.fromkeys(through[reason])
        more = f" and {len(others)} more rule{'s' * (len(others) > 1)}" if others else ""
        lines.append(f"{reason} (through {first}{more})")
    return "; ".join(lines) or "no reason is known"
