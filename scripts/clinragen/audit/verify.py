"""Verify that results match their records: contents, inputs, code, and no file without a record."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Literal

from clinragen.errors import UserError
from clinragen.provenance.digest import SCRIPTS, code_digest, runtime_digest
from clinragen.provenance.graph import Graph
from clinragen.provenance.record import (
    RECORDS,
    SNAKEMAKE_TIMESTAMP,
    File,
    Input,
    Record,
    describe,
    record_hash,
    record_path,
)
from clinragen.provenance.tree import described_by, files_below, records_below
from clinragen.runtime.progress import Progress

# Files in a results tree that are not audited: logs, timings and TensorBoard events; checkpoints of a training and
# parts of predictions, which outlive killed jobs; and what is made from the outputs afterwards.
NO_OUTPUTS = re.compile(
    r"(^|/)(logs/\w+/[^/]+(/\d+-of-\d+)?\.log|timings/\w+/[^/]+(/\d+-of-\d+)?\.jsonl)$"
    r"|(^|/)(\.records/[^/]+\.json|audit/(usage|growth)\.csv)$"
    r"|(^|/)logs/train_\w+/[^/]+/events\.out\.tfevents\.[^/]+$"
    r"|/train/.+/seed\d+/checkpoints-\w+/|/(evaluate|planted)/.+/seed\d+/parts/|(^|/)\.tmp-|(^|/)\.snakemake_timestamp$"
    r"|^releases/[^/]+\.zip$|^README\.md$"
)


def is_no_output(file: Path, directory: Path) -> bool:
    """Return whether a file below a directory of results is a log, a timing or another file that is not audited."""
    report = file.name == "report.html" and (file.parent / "tables").is_dir()
    return report or NO_OUTPUTS.search(file.relative_to(directory).as_posix()) is not None


Kind = Literal["corrupt", "edited", "missing", "stale", "untracked"]


@dataclass(frozen=True, order=True)
class Problem:
    """A mismatch with the records."""

    kind: Kind
    path: str
    fact: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.fact}"


@dataclass
class Findings:
    """Result of a check, and what it could not check."""

    outputs: int = 0
    files: int = 0
    bytes: int = 0
    not_audited: int = 0
    other_runtime: int = 0
    """Outputs that another version of the runtime wrote, which does not change contents."""
    roots: set[str] = field(default_factory=set)
    roots_not_here: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


# Resources and templates of pages.
TRACKED = ("resources/", "scripts/")
# Snakemake touches the outputs of a job once it has noticed its end, on a cluster minutes after the record was written.
TOUCHED_NS = 300 * 10**9


class Check:
    """Compares outputs and their inputs with the records, each file once."""

    def __init__(self, graph: Graph, left_out: frozenset[str] = frozenset(), contents: bool = True) -> None:
        """`left_out` are outputs known to be elsewhere: they have a record, but no content to check.

        Without `contents`, only sizes and names are compared, and the contents of outputs that changed
        after their record was written (by more than `TOUCHED_NS`).
        """
        self.graph = graph
        self.left_out = left_out
        self.contents = contents
        self.findings = Findings()
        self._code_digest = cache(code_digest)
        self._runtime_digest = runtime_digest()
        self._describe = cache(describe)
        self._record_hash = cache(record_hash)
        self._first_use: dict[str, tuple[str, str]] = {}

    def outputs(self, paths: Iterable[str]) -> Findings:
        """Check outputs, by their recorded paths, and everything that their records name."""
        names = list(paths)
        with Progress("outputs checked", len(names)) as bar:
            for path in names:
                if record := self.graph.record(path):
                    self._output(path, record)
                bar.advance()
        for path, fact in self.graph.corrupt.items():
            self._problem("corrupt", path, fact)
        self.findings.problems = sorted(set(self.findings.problems))
        return self.findings

    def directory(self, directory: Path) -> Findings:
        """Check all outputs below a directory with their ancestors, and name the files without a record.

        UserError where there is nothing to check.
        """
        tracked = {self.graph.relocation.recorded_path(described_by(file)) for file in records_below(directory)}
        if not tracked:
            raise UserError(f"{directory} holds no output with a record")
        for file in files_below(directory):
            if is_no_output(file, directory):
                self.findings.not_audited += file.parent.name != RECORDS and file.name != SNAKEMAKE_TIMESTAMP
                continue
            path = self.graph.relocation.recorded_path(file)
            self.findings.files += 1
            if tracked.isdisjoint((path, *(p.as_posix() for p in PurePosixPath(path).parents))):
                self._problem("untracked", path, "has no record")
        return self.outputs(dict.fromkeys(name for path in sorted(tracked) for name in self.graph.ancestors(path)))

    def _output(self, path: str, record: Record) -> None:
        self.findings.outputs += 1
        here, output = self.graph.current_path(path), record["output"]
        if here.exists():
            self.findings.bytes += output["bytes"]
            if not self._matches(here, output, record_path(here).stat().st_mtime_ns):
                self._problem("edited", path, "its content differs from its record")
        elif path in self.left_out:
            self.findings.left_out.add(path)
        else:
            self._problem("missing", path, "its record exists, the output does not")
        script = SCRIPTS / f"{record['rule']}.py"
        if not script.is_file() or self._code_digest(record["rule"]) != record["code_digest"]:
            commit = f", at commit {record['git']['commit'][:12]}" if record["git"] else ""
            self._problem("stale", path, f"was made by another version of the code of {record['rule']}{commit}")
        self.findings.other_runtime += record["runtime_digest"] != self._runtime_digest
        for used in record["inputs"]:
            self._input(path, record["started"], used)

    def _input(self, user: str, started: str, used: Input) -> None:
        path, here = used["path"], self.graph.current_path(used["path"])
        if used["made_by"] is not None:
            maker = self.graph.record(path)
            first, _ = self._first_use.setdefault(path, (user, ""))
            if maker is None:
                if path not in self.graph.corrupt:
                    self._problem("missing", path, f"its record is missing, and {first} was made from it")
            elif maker["output"]["sha256"] != used["sha256"]:
                self._problem("stale", user, f"was made from another version of {path}")
            elif self._record_hash(here) != used["record"] and maker["started"] > started:
                self._problem("stale", user, f"was made from an earlier run of {path}, which gave the same content")
            elif self._record_hash(here) != used["record"]:
                self._problem("edited", path, f"its record is not the one that {user} was made with")
            return
        self.findings.roots.add(path)
        first, sha256 = self._first_use.setdefault(path, (user, used["sha256"]))
        if sha256 != used["sha256"]:
            self._problem("stale", user, f"was made from another version of {path} than {first}")
        if not here.exists():
            self.findings.roots_not_here.add(path)
            # Raw files may be elsewhere; a resource belongs to the code.
            is_tracked = path.startswith(TRACKED) and self.graph.current_path(path.split("/")[0]).is_dir()
            if is_tracked and path not in self.left_out:
                self._problem("missing", path, f"{user} was made from it")
        elif not self._matches(here, used, None):
            self._problem("stale", user, f"was made from another version of {path}")
        elif (here.parent / RECORDS).is_dir() and not path.startswith(TRACKED):
            self._problem("untracked", path, f"has no record, and {user} was made from it")

    def _matches(self, here: Path, recorded: File, recorded_at: int | None) -> bool:
        """Return whether a file or directory is as recorded; `recorded_at` is the time of its record in ns."""
        if not self.contents:
            files = {p.relative_to(here).as_posix(): p.stat() for p in _files_of(here)}
            listing = recorded.get("files", 1)
            names_match = files.keys() == listing.keys() if isinstance(listing, dict) else len(files) == listing
            if not names_match or sum(status.st_size for status in files.values()) != recorded["bytes"]:
                return False
            if recorded_at is None or all(status.st_mtime_ns <= recorded_at + TOUCHED_NS for status in files.values()):
                return True
        return self._describe(here)["sha256"] == recorded["sha256"]

    def _problem(self, kind: Kind, path: str, fact: str) -> None:
        self.findings.problems.append(Problem(kind, path, fact))


def _files_of(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    return [p for p in place.rglob("*") if p.is_file() and p.name != SNAKEMAKE_TIMESTAMP]
