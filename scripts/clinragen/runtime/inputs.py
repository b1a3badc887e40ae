"""Inputs of a step: hashed once, compared with their records, watched for changes."""

import threading
from collections.abc import Sequence
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import (
    RECORDS,
    SNAKEMAKE_TIMESTAMP,
    File,
    Input,
    Record,
    describe,
    read_record,
    record_hash,
)


class Inputs:
    """Hashes of the inputs of a running step.

    Outputs of other steps are hashed before the step begins, because one that differs from its record must not be
    used. Raw files of tens of gigabytes are hashed in a thread while the step reads them, so that they are read from
    disk only once.
    """

    def __init__(self, paths: Sequence[Path], outputs: Sequence[Path]) -> None:
        """Raise UserError for an input that is missing, differs from its record, or has lost it.

        `outputs` are the final paths of the step: an input from the same results tree must have a record.
        """
        for path in paths:
            if not path.exists():
                raise UserError(f"{path}: no such input file")
        self._paths = paths
        self._states = [_state(path) for path in paths]
        self.records = {path: read_record(path) for path in paths}
        self._record_hashes = {path: record_hash(path) for path in paths}
        for path, record in self.records.items():
            if record is None and _lost_its_record(path, outputs):
                raise UserError(
                    f"{path} has no provenance record although its neighbours have one. Restore its record in "
                    ".records, or delete the file and run the workflow again"
                )
        self._files = {path: _as_recorded(path, record) for path, record in self.records.items() if record}
        self._raw = [path for path in self.records if path not in self._files]
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._hash_raw, daemon=True)
        self._thread.start()

    def _hash_raw(self) -> None:
        try:
            self._files |= {path: describe(path) for path in self._raw}
        except BaseException as error:
            self._error = error

    def described(self) -> list[Input]:
        """Return path, size, hash and producer of each input; UserError if one changed since the step began."""
        self._thread.join()
        if self._error:
            raise self._error
        for path, state in zip(self._paths, self._states, strict=True):
            if _state(path) != state:
                raise UserError(f"{path} changed while it was being read; run again")
        return [
            {
                **self._files[path],
                "made_by": record["rule"] if (record := self.records[path]) else None,
                "record": self._record_hashes[path],
            }
            for path in self._paths
        ]


def _lost_its_record(path: Path, outputs: Sequence[Path]) -> bool:
    """Return whether an input without a record is next to files that have one, in a directory tree of the outputs."""
    trees = {parent for output in outputs for parent in output.parents if parent.name}
    return (path.parent / RECORDS).is_dir() and not trees.isdisjoint(path.parents)


def _as_recorded(path: Path, record: Record) -> File:
    file = describe(path)
    if file["sha256"] != record["output"]["sha256"]:
        raise UserError(
            f"{path} is not what {record['rule']} wrote: its content differs from its record. Restore it, or "
            f"regenerate it: snakemake --forcerun {record['rule']}, with the targets and configuration of this run"
        )
    return file


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    stats = [(p.as_posix(), p.stat()) for p in files if p.name != SNAKEMAKE_TIMESTAMP]
    return tuple((name, s.st_size, s.st_mtime_ns) for name, s in stats)
