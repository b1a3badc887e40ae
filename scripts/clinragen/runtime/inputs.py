"""Inputs are hashed while the step reads them, so that a file of tens of gigabytes comes from the disk once."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clinragen.runtime import record
from clinragen.runtime.errors import UserError


class Hashing:
    """Hashes files in a thread of its own; what happens to it when the step fails is of no interest."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._states = [_state(p) for p in paths]
        self._found: list[dict[str, Any]] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = [record.describe(p) for p in self._paths]
        except BaseException as error:
            self._error = error

    def result(self) -> list[dict[str, Any]]:
        """Path, size and hash of each file; UserError where one is no longer the file that the step began with."""
        self._thread.join()
        if self._error:
            raise self._error
        for path, state in zip(self._paths, self._states, strict=True):
            if _state(path) != state:
                raise UserError(f"{path} changed while it was being read; run again")
        return self._found


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    stats = [(p.as_posix(), p.stat()) for p in files if p.name != record.SNAKEMAKE_TIMESTAMP]
    return tuple((name, s.st_size, s.st_mtime_ns) for name, s in stats)
