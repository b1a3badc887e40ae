"""Whether results are still what their records say: contents, inputs, code, and files that nothing tells of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clinragen.audit.graph import Graph, Record, files_below, records_below
from clinragen.errors import UserError
from clinragen.provenance import record
from clinragen.provenance.digest import SCRIPTS, code_digest
from clinragen.provenance.record import load
from clinragen.runtime.progress import Progress

# What lies among the outputs and is none: logs and run times, the teacher's answers and checkpoints, which outlive
# reruns, and what is made of the outputs afterwards.
BESIDE = re.compile(
    r"(^|/)(logs/\w+/[^/]+\.log|timings/\w+/[^/]+\.jsonl|journal/\w+\.jsonl|\.records/[^/]+\.json|audit/usage\.csv)$"
    r"|/train/.+/seed\d+/checkpoints-phase\d/|(^|/)\.tmp-|(^|/)\.snakemake_timestamp$"
    r"|^releases/[^/]+\.zip$|^README\.md$"
)


def is_beside(place: Path, folder: Path) -> bool:
    """Whether a file below a folder of results lies among the outputs and is none."""
    report = place.name == "report.html" and (place.parent / "tables").is_dir()
    return report or BESIDE.search(place.relative_to(folder).as_posix()) is not None


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is not as the records say; `stale` and `edited` are of an output, `untracked` of any file."""

    kind: Literal["edited", "gone", "stale", "torn", "untracked"]
    path: str
    fact: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.fact}"


@dataclass
class Findings:
    """What a check came upon, and what it could not look at."""

    outputs: int = 0
    files: int = 0
    bytes: int = 0
    beside: int = 0
    roots: set[str] = field(default_factory=set)
    roots_not_here: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


class Check:
    """Looks at outputs and their inputs, at every file once."""

    def __init__(self, graph: Graph, left_out: frozenset[str] = frozenset(), contents: bool = True) -> None:
        """`left_out` are outputs that are known to be elsewhere: their hashes are told, their contents can not be.

        Without `contents` files are compared by their size only.
        """
        self.graph = graph
        self.left_out = left_out
        self.contents = contents
        self.found = Findings()
        self._states: dict[str, dict] = {}
        self._first_use: dict[str, tuple[str, str]] = {}

    def outputs(self, paths: Iterable[str]) -> Findings:
        """Check outputs, by their recorded paths, and everything that they name."""
        names = list(paths)
        with Progress("outputs checked", len(names)) as bar:
            for path in names:
                found = self.graph.record(path)
                if found is not None:
                    self._output(path, found)
                bar.advance()
        self.found.problems = sorted(set(self.found.problems))
        return self.found

    def folder(self, folder: Path) -> Findings:
        """Check all outputs below a folder with all that they descend from, and name the files there without a record.

        UserError where there is nothing to check.
        """
        covered = set()
        for place in records_below(folder):
            path = self.graph.relocation.recorded_path(place.parents[1] / place.name.removesuffix(".json"))
            try:
                if load(place)["output"]["path"] == path:
                    covered.add(path)
                else:
                    self._problem("torn", path, "its record tells of another file")
            except UserError as error:
                self._problem("torn", path, str(error))
        for place in files_below(folder):
            if is_beside(place, folder):
                self.found.beside += 1
                continue
            path = self.graph.relocation.recorded_path(place)
            self.found.files += 1
            if not any(name in covered for name in (path, *(p.as_posix() for p in Path(path).parents))):
                self._problem("untracked", path, "no record tells what made it")
        if not covered and not self.found.problems:
            raise UserError(f"{folder} holds no output with a record")
        above = (name for path in sorted(covered) for name in self.graph.ancestors(path))
        return self.outputs(dict.fromkeys(name for name in above if self.graph.record(name)))

    def _output(self, path: str, found: Record) -> None:
        self.found.outputs += 1
        told = found["output"]
        if self.graph.current_path(path).exists():
            self.found.bytes += told["bytes"]
            if not self._is(path, told):
                self._problem("edited", path, "its content is not what its record says")
        elif path in self.left_out:
            self.found.left_out.add(path)
        else:
            self._problem("gone", path, "its record is there, it is not")
        there = (SCRIPTS / f"{found['rule']}.py").is_file()
        if not there or code_digest(found["rule"]) != found["code_digest"]:
            commit = f", at commit {found['git']['commit'][:12]}" if found["git"] else ""
            self._problem("stale", path, f"made by other code of {found['rule']} than stands here{commit}")
        for used in found["inputs"]:
            self._input(path, used)

    def _input(self, user: str, used: dict) -> None:
        path = used["path"]
        if used["made_by"] is not None:
            maker = self.graph.record(path)
            if maker is None:
                self._problem("gone", path, f"{user} was made of it, and nothing tells what made it")
            elif maker["output"]["sha256"] != used["sha256"]:
                self._problem("stale", user, f"made of another {path} than is there now")
            return
        self.found.roots.add(path)
        first, sha256 = self._first_use.setdefault(path, (user, used["sha256"]))
        if sha256 != used["sha256"]:
            self._problem("stale", user, f"made of another {path} than {first} was")
        if not self.graph.current_path(path).exists():
            self.found.roots_not_here.add(path)
            # Raw files may be elsewhere; a resource belongs to the code.
            if (
                path.startswith("resources/")
                and self.graph.current_path("resources").is_dir()
                and path not in self.left_out
            ):
                self._problem("gone", path, f"{user} was made of it")
        elif not self._is(path, used):
            self._problem("stale", user, f"made of another {path} than is there now")
        elif (self.graph.current_path(path).parent / record.FOLDER).is_dir():
            self._problem("untracked", path, f"{user} was made of it, and no record tells what made it")

    def _is(self, path: str, told: dict) -> bool:
        place = self.graph.current_path(path)
        if not self.contents:
            return place.is_dir() or place.stat().st_size == told["bytes"]
        if path not in self._states:
            self._states[path] = record.describe(place)
        return self._states[path]["sha256"] == told["sha256"]

    def _problem(self, kind: str, path: str, fact: str) -> None:
        self.found.problems.append(Problem(kind, path, fact))
