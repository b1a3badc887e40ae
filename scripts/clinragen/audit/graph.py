"""What was made of what, read from the provenance records, wherever the results lie now."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clinragen.provenance.record import FOLDER, Record, load, record_path


@dataclass(frozen=True)
class Relocation:
    """Where paths of the records lie now: what began with `old` begins with `new`."""

    old: PurePosixPath
    new: Path

    @classmethod
    def of(cls, recorded: str, here: Path) -> "Relocation":
        """The move of an output from the path that its record tells to where it lies; ends that agree are left out."""
        old, new = PurePosixPath(recorded).parts, here.absolute().parts
        same = 0
        while same < min(len(old), len(new)) and old[-1 - same] == new[-1 - same]:
            same += 1
        return cls(PurePosixPath(*old[: len(old) - same]), Path(*new[: len(new) - same]))

    def current_path(self, recorded: str) -> Path:
        """Present place of a recorded path; one from outside of what was moved is taken as it stands."""
        path = PurePosixPath(recorded)
        return self.new / path.relative_to(self.old) if path.is_relative_to(self.old) else Path(recorded)

    def recorded_path(self, here: Path) -> str:
        """The path under which records know a file."""
        here = here.absolute()
        return (self.old / here.relative_to(self.new)).as_posix() if here.is_relative_to(self.new) else here.as_posix()


class Graph:
    """Records by the path of their output, read when they are asked for."""

    def __init__(self, relocation: Relocation) -> None:
        self.relocation = relocation
        self._records: dict[str, Record | None] = {}

    @classmethod
    def around(cls, place: Path) -> "Graph":
        """The graph of the results that a file or folder belongs to."""
        for record in records_around(place):
            found = load(record)
            return cls(Relocation.of(found["output"]["path"], record.parents[1] / record.name.removesuffix(".json")))
        return cls(Relocation(PurePosixPath(), Path.cwd()))

    def current_path(self, path: str) -> Path:
        """Where the file of that recorded path lies now."""
        return self.relocation.current_path(path)

    def record(self, path: str) -> Record | None:
        """The record of an output by its recorded path; None for a raw file, a resource, or what lost its record."""
        if path not in self._records:
            place = record_path(self.current_path(path))
            self._records[path] = load(place) if place.is_file() else None
        return self._records[path]

    def output_of(self, here: Path) -> str | None:
        """Recorded path of the output that a file is, or that it lies in; None where it has no record."""
        path = self.relocation.recorded_path(here)
        for place in (path, *(p.as_posix() for p in PurePosixPath(path).parents)):
            if PurePosixPath(place).name and self.record(place) is not None:
                return place
        return None

    def inputs(self, path: str, row: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """Inputs of an output; with the values of one of its rows those alone that the row descends from."""
        record = self.record(path)
        used = record["inputs"] if record else []
        if row is None or not record or not record["rows"]:
            return used
        named = {name for part in record["rows"] for name in part["inputs"]}
        fitting = (p for p in record["rows"] if all(row.get(key, value) == value for key, value in p["where"].items()))
        own = {name for part in fitting for name in part["inputs"]}
        return [one for one in used if one["path"] not in named or one["path"] in own]

    def ancestors(self, path: str, row: dict[str, str] | None = None) -> list[str]:
        """Recorded paths that an output descends from, itself last; every path after all that it was made of."""
        found: dict[str, None] = {}
        waiting: list[tuple[str, bool]] = [(path, False)]
        while waiting:
            name, done = waiting.pop()
            if name in found:
                continue
            if done:
                found[name] = None
                continue
            waiting.append((name, True))
            used = self.inputs(name, row if name == path else None)
            waiting += [(one["path"], False) for one in reversed(used) if one["path"] not in found]
        return list(found)


def listed(values: list[str] | Record) -> str:
    """A fact of a record in words: its values, or how many there are and the hash of their list."""
    if isinstance(values, list):
        return ", ".join(values)
    return f"{values['number']}, sha256 of their list {values['sha256']}"


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, in order, also those of folders that are linked from elsewhere."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        seen.add(Path(place).resolve())
        # A link to where the walk has been would never end.
        folders[:] = [name for name in folders if Path(place, name).resolve() not in seen]
        found += [Path(place, name) for name in names]
    return sorted(path for path in found if path.is_file())


def records_below(folder: Path) -> Iterator[Path]:
    """Paths of all records below a folder, in order."""
    for path in files_below(folder):
        if path.parent.name == FOLDER and path.suffix == ".json" and not path.name.startswith(".tmp-"):
            yield path


def records_around(place: Path) -> Iterator[Path]:
    """Paths of records below a folder, of a file, or of what the file lies in."""
    if place.is_dir():
        yield from records_below(place)
    for path in (place, *place.parents):
        if path.name and record_path(path).is_file():
            yield record_path(path)
    # A file without a record of its own may lie beside others that have one.
    for path in sorted((place.parent / FOLDER).glob("*.json")):
        yield path
