"""The journal of paid answers: one JSON line each, on the disk before the next step is taken.

It is not an output of a rule: it outlives failures and reruns, so that nothing is requested twice.
"""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from clinragen.errors import UserError

log = logging.getLogger("journal")
SECONDS_BETWEEN_TRIES = 1.0
TRIES_BETWEEN_LINES = 30


@dataclass(frozen=True)
class Entry:
    """One answer as the server gave it; `attempt` 0 is the question, later ones its repairs."""

    request: str
    attempt: int
    task: str
    model: str
    served_model: str
    prompt_version: str
    parameters: dict[str, Any]
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    time: str


class Journal:
    """Open for one process at a time; knows all answers so far and takes new ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, list[Entry]] = {}
        self._file = -1

    def __enter__(self) -> "Journal":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock()
            self._load()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)  # which unlocks

    def answers(self, request: str) -> list[Entry]:
        """Answers to a request so far, by attempt."""
        return list(self._found.get(request, ()))

    def append(self, entry: Entry) -> None:
        """Write an answer down; on return it is on the disk."""
        line = json.dumps(asdict(entry), ensure_ascii=True).encode() + b"\n"
        try:
            written = os.write(self._file, line)
            if written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError as error:
            raise UserError(f"{self.path}: cannot save an answer: {error.strerror}") from None
        self._found.setdefault(entry.request, []).append(entry)

    def _lock(self) -> None:
        """Wait for another process: what it asks for, this one then finds here."""
        for tries in range(10**9):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if tries % TRIES_BETWEEN_LINES == 0:
                log.info("%s: in use by another process; waiting for it to finish", self.path)
            time.sleep(SECONDS_BETWEEN_TRIES)

    def _load(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            log.warning("%s: dropped a truncated last line (%d bytes)", self.path, len(data) - whole)
            os.ftruncate(self._file, whole)
        unreadable = 0
        for entry in _entries(data[:whole]):
            if entry is None:
                unreadable += 1
            else:
                self._found.setdefault(entry.request, []).append(entry)
        if unreadable:
            log.warning("%s: skipped %d malformed lines", self.path, unreadable)


def _entries(data: bytes) -> Iterator[Entry | None]:
    names = {f.name for f in fields(Entry)}
    for line in data.splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            yield None
            continue
        yield Entry(**values) if isinstance(values, dict) and set(values) == names else None
