"""The graph of provenance records: which outputs were made from which, wherever the results are now."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from clinragen.errors import UserError
from clinragen.provenance.record import RECORDS, Input, Record, load, read_record, record_hash, record_path
from clinragen.provenance.tree import described_by, records_below

LINEAGE = "audit/lineage.csv"
VOTES = 9


@dataclass(frozen=True)
class Relocation:
    """Where the paths of records are now: what began with `old` begins with `new`."""

    old: PurePosixPath
    new: Path

    @classmethod
    def of(cls, recorded: str, here: Path) -> "Relocation":
        """Return the move of an output from its recorded path to its current one, without the ends that agree."""
        old, new = PurePosixPath(recorded).parts, here.absolute().parts
        same = 0
        while same < min(len(old), len(new)) and old[-1 - same] == new[-1 - same]:
            same += 1
        return cls(PurePosixPath(*old[: len(old) - same]), Path(*new[: len(new) - same]))

    def current_path(self, recorded: str) -> Path:
        """Return the current path for a recorded one; a path outside of what was moved is its own."""
        path = PurePosixPath(recorded)
        return self.new / path.relative_to(self.old) if path.is_relative_to(self.old) else Path(recorded)

    def recorded_path(self, here: Path) -> str:
        """Return the path under which records know a file."""
        here = here.absolute()
        return (self.old / here.relative_to(self.new)).as_posix() if here.is_relative_to(self.new) else here.as_posix()


class Graph:
    """Records by the path of their output, read on demand.

    A record that cannot be used counts as absent; `corrupt` says why, by path. It also names cycles.
    """

    def __init__(self, relocation: Relocation) -> None:
        self.relocation = relocation
        self.corrupt: dict[str, str] = {}
        self._records: dict[str, Record | None] = {}

    @classmethod
    def around(cls, place: Path) -> "Graph":
        """Return the graph of the results that a file or directory belongs to."""
        moves: Counter[Relocation] = Counter()
        # Several, because one record may be the misplaced record of another output.
        for file in islice(records_around(place), VOTES):
            with suppress(UserError):
                recorded, here = load(file)["output"]["path"], described_by(file)
                moves[Relocation.of(recorded, here)] += PurePosixPath(recorded).name == here.name
        return cls(moves.most_common(1)[0][0] if moves else Relocation(PurePosixPath(), Path.cwd()))

    def current_path(self, path: str) -> Path:
        """Return the current path for a recorded one."""
        return self.relocation.current_path(path)

    def record(self, path: str) -> Record | None:
        """Return the record of an output by its recorded path; None for a raw file, resource or unusable record."""
        if path not in self._records:
            self._records[path] = None
            here = self.current_path(path)
            try:
                record = read_record(here)
            except UserError as error:
                self.corrupt[path] = str(error)
                return None
            if record and self.current_path(record["output"]["path"]).absolute() != here.absolute():
                self.corrupt[path] = f"its record describes {record['output']['path']}"
                return None
            self._records[path] = record
        return self._records[path]

    def output_of(self, here: Path) -> str | None:
        """Return the recorded path of the output that a file is or belongs to; None without a record."""
        path = self.relocation.recorded_path(here)
        for place in (path, *(p.as_posix() for p in PurePosixPath(path).parents)):
            if PurePosixPath(place).name and self.record(place) is not None:
                return place
        return None

    def inputs(self, path: str, row: dict[str, str] | None = None) -> list[Input]:
        """Return the inputs of an output, or, given the values of one of its rows, those of this row."""
        record = self.record(path)
        used = record["inputs"] if record else []
        if row is None or not record or not record["rows"]:
            return used
        named = {name for part in record["rows"] for name in part["inputs"]}
        matching = (p for p in record["rows"] if all(row.get(key, value) == value for key, value in p["where"].items()))
        own = {name for part in matching for name in part["inputs"]}
        return [i for i in used if i["path"] not in named or i["path"] in own]

    def inputs_behind(self, name: str, path: str, row: dict[str, str] | None) -> list[Input]:
        """Return the inputs of an output from which another one, `path`, or one of its rows, descends.

        A row that takes values from a table with the same keys takes them from the row with the same values.
        """
        record = self.record(name) if row else None
        has_row = any(part["where"].items() <= row.items() for part in record["rows"]) if record and row else False
        return self.inputs(name, row if name == path or has_row else None)

    def ancestors(self, path: str, row: dict[str, str] | None = None) -> list[str]:
        """Return what an output descends from, itself last: each after its own inputs, except in a cycle."""
        ordered: dict[str, None] = {}
        entered: dict[str, None] = {}
        waiting: list[tuple[str, bool]] = [(path, False)]
        while waiting:
            name, done = waiting.pop()
            if done:
                ordered[name] = None
            elif name in entered and name not in ordered:
                chain = [n for n in entered if n not in ordered]
                cycle = chain[chain.index(name) :]
                start = cycle.index(min(cycle))
                cycle = [*cycle[start:], *cycle[: start + 1]]
                self.corrupt[cycle[0]] = f"cycle of records: {' ← '.join(cycle)}"
            elif name not in ordered:
                entered[name] = None
                waiting.append((name, True))
                used = reversed(self.inputs_behind(name, path, row))
                waiting += [(i["path"], False) for i in used if i["path"] not in ordered]
        return list(ordered)

    def root(self, paths: Iterable[str]) -> str:
        """Return the root of these outputs, see `root_of`."""
        return root_of({path: record_hash(self.current_path(path)) for path in paths})

    def root_of_tree(self, tree: Path) -> str | None:
        """Return the root of the outputs behind `audit/lineage.csv` of a results tree; None if that has no record."""
        record = self.record(self.relocation.recorded_path(tree / LINEAGE))
        return self.root(used["path"] for used in record["inputs"] if used["record"]) if record else None


def root_of(hashes: Mapping[str, str | None]) -> str:
    """Return one hash that covers the records of outputs and of everything that they were made from.

    It is the SHA-256 of the sorted lines `<SHA-256 of the record file>  <recorded path>` of these outputs. A record
    holds the hashes of the records of its inputs, so the lines depend on all records down to raw files.
    """
    lines = sorted(f"{sha256}  {path}\n" for path, sha256 in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def run_of(record: Record) -> str:
    """Return what identifies the run of a step that wrote a record: its command and start."""
    return shlex.join([*record["command"], record["started"]])


def commit_of(record: Record) -> str:
    """Return the start of the commit that wrote a record."""
    git = record["git"]
    return f"{git['commit'][:12]}{' with uncommitted changes' if git['dirty'] else ''}" if git else "outside of git"


def runs(records: Iterable[Record]) -> list[list[Record]]:
    """Group records by run of a step, in the order given."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(run_of(record), []).append(record)
    return list(groups.values())


def listed(values: list[str] | dict[str, Any]) -> str:
    """Return a fact of a record as text: its values, or their number and the hash of their list."""
    if isinstance(values, list):
        return ", ".join(values)
    return f"{values['number']}, sha256 of their list {values['sha256']}"


def records_around(place: Path) -> Iterator[Path]:
    """Yield the record files below a directory, of a file, of the outputs that it belongs to, and of its neighbours."""
    if place.is_dir():
        yield from records_below(place)
    for path in (place, *place.parents):
        if path.name and record_path(path).is_file():
            yield record_path(path)
    yield from sorted((place.parent / RECORDS).glob("*.json"))
