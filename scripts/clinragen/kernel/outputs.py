"""Outputs appear whole or not at all: written under a temporary name, then renamed."""

import os
import secrets
import shutil
import socket
from pathlib import Path


class Out:
    """One output of a step: write to `path`, which becomes `final` when the step has succeeded.

    Derived per patient, so it stays with those who may see MIMIC.
    """

    sharing = "restricted"

    def __init__(self, final: str | Path) -> None:
        self.final = Path(final)
        # Unique per process: after a crash two copies of a job may write at the same time.
        owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.path = self.final.with_name(f".tmp-{owner}-{self.final.name}")

    def prepare(self) -> None:
        """Make the folder and remove what a dead process of this host left behind."""
        self.final.parent.mkdir(parents=True, exist_ok=True)
        host = socket.gethostname()
        for old in self.final.parent.glob(f".tmp-{host}-*-{self.final.name}"):
            pid = old.name.removeprefix(f".tmp-{host}-").split("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                _remove(old)

    def commit(self) -> None:
        """Move the finished file or folder to its final name."""
        # A rename replaces a file by a file, but neither a folder nor by a folder.
        if self.final.is_dir() or (self.path.is_dir() and self.final.exists()):
            _remove(self.final)
        self.path.replace(self.final)

    def discard(self) -> None:
        """Remove what was half written."""
        _remove(self.path)


class SharedOut(Out):
    """An output of aggregates or authored content, free of patient-level data: it may be shared."""

    sharing = "shareable"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
