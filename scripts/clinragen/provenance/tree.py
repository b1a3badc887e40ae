"""The provenance records of a results tree."""

import os
from collections.abc import Iterator
from pathlib import Path

from clinragen.provenance.record import RECORDS


def files_below(directory: Path) -> list[Path]:
    """Return all files below a directory in order, including those behind links to directories."""
    files, seen = [], set()
    for parent, children, names in os.walk(directory, followlinks=True):
        seen.add(Path(parent).resolve())
        # A link to a directory that was already visited would never end.
        children[:] = [name for name in children if Path(parent, name).resolve() not in seen]
        files += [Path(parent, name) for name in names]
    return sorted(path for path in files if path.is_file())


def records_below(directory: Path) -> Iterator[Path]:
    """Yield the paths of all record files below a directory, in order."""
    for path in files_below(directory):
        if path.parent.name == RECORDS and path.suffix == ".json" and not path.name.startswith(".tmp-"):
            yield path


def described_by(record: Path) -> Path:
    """Return the path of the output that a record file describes."""
    return record.parents[1] / record.name.removesuffix(".json")
