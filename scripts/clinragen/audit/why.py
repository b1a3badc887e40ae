"""Why jobs would run again: what differs between the record of what they made and what they would now be given."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinragen.provenance.digest import code_digest, code_files
from clinragen.provenance.record import SCHEMA, describe, read_record


@dataclass(frozen=True)
class Setting:
    """A value that a job would be given: where it stands in the configuration, and its text on the command line."""

    place: str
    text: str


@dataclass(frozen=True)
class Job:
    """A job that would run, as the workflow tells it."""

    rule: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """By the argument of the script."""
    missing: tuple[str, ...] = ()
    """Outputs that are not there."""
    newer: tuple[str, ...] = ()
    """Inputs that are newer than the outputs and not known to be the same."""
    waits_for: tuple[int, ...] = ()
    """Places in the list of jobs of those that run before it."""
    command_changed: bool = False
    """Whether the rule's own command is another one."""
    environment_changed: bool = False
    words: str = ""
    """What Snakemake says, empty where the job only waits."""


def reasons(job: Job) -> list[str]:
    """What differs for this job itself, a line each; empty where it only waits for others."""
    found = (read_record(Path(output)) for output in job.outputs)
    record = next((record for record in found if record and record["schema"] == SCHEMA), None)
    if record is None:
        if job.missing:
            return ["it has not run yet"]
        return [f"it has no record; Snakemake says: {job.words}"] if job.words else []
    lines = [f"{path} is not there" for path in job.missing]
    if job.command_changed:
        lines.append(f"the command of the rule changed (rules/{job.rule.split('_')[0]}.smk)")
    if job.environment_changed:
        lines.append("the environment changed (`--sdm conda` switched on or off, or the rule's file in envs/)")
    lines += changed_code(record, job.rule)
    lines += changed_settings(record["settings"], job.settings)
    lines += changed_files(record["inputs"], job)
    if not lines and job.words:
        lines.append(job.words)
    return lines


def changed_code(record: Mapping[str, Any], rule: str) -> list[str]:
    """Files of a rule's code that are not as they were, by the record of an output."""
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
    """Keys of the configuration with the value that was used and the value of today."""
    lines = []
    for argument, setting in now.items():
        for key, old, new in _differences(setting.place, before.get(argument), _value(setting.text)):
            lines.append(f"{key}: {_told(old)} → {_told(new)}")
    return lines


def _value(text: str) -> Any:
    """A section as a dictionary, any other value as it stands on the command line."""
    return json.loads(text) if text.startswith("{") else text


def _differences(place: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            yield from _differences(f"{place}.{key}", old.get(key), new.get(key))
    elif old != new and str(old) != str(new):
        yield place, old, new


def _told(value: Any) -> str:
    return "nothing" if value in (None, "") else str(value)


def changed_files(before: Sequence[Mapping[str, Any]], job: Job) -> list[str]:
    """Inputs that are newer and not as they were, by the record; and inputs that came or went."""
    used = {facts["path"]: facts for facts in before}
    lines = [f"it reads {path} now" for path in job.inputs if path not in used]
    lines += [f"it no longer reads {path}" for path in used if path not in job.inputs]
    for path in job.newer:
        if path in used and Path(path).exists():
            now = describe(Path(path))
            lines.append(f"{path}: {_file(used[path])} → {_file(now)}" if now["sha256"] != used[path]["sha256"] else
                         f"{path} is newer, with the same content, and too large for Snakemake to compare")  # fmt: skip
    return lines


def _file(facts: Mapping[str, Any]) -> str:
    return f"{facts['bytes']} bytes (sha256 {facts['sha256'][:12]})"


def explain(jobs: Sequence[Job], rule: str | None = None) -> list[str]:
    """A line per group of jobs of a rule with equal reasons; first those that wait for the fewest others.

    A reason that is not the job's own names, behind `through`, the rules of the jobs that it waits for.
    """
    own = [reasons(job) for job in jobs]
    before = [_before(jobs, n) for n in range(len(jobs))]
    order = sorted(range(len(jobs)), key=lambda n: (len(before[n]), jobs[n].rule))
    groups: dict[tuple[str, str], int] = {}
    for n in order:
        if rule is None or jobs[n].rule == rule:
            through: dict[str, list[str]] = {}
            for other in (m for m in order if m in before[n]):
                for reason in own[other]:
                    through.setdefault(reason, []).append(jobs[other].rule)
            key = (jobs[n].rule, _sentence(own[n], through))
            groups[key] = groups.get(key, 0) + 1
    return [f"{name}, {count} job{'s' * (count > 1)}: {told}" for (name, told), count in groups.items()]


def _before(jobs: Sequence[Job], n: int) -> set[int]:
    """All jobs that run before a job."""
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
        lines.append(f"{reason} (through {first}{f' and {len(others)} more rules' if others else ''})")
    return "; ".join(lines) or "no reason is known"
