"""Outputs appear whole or not at all: written under a temporary name, then renamed."""

import ctypes
import errno
import os
import secrets
import shutil
import socket
from contextlib import suppress
from pathlib import Path

# errno values of rename(2) when the target is occupied by a directory or by the other kind of file.
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


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
        """Create the directory and remove what a dead process of this host left behind."""
        self.final.parent.mkdir(parents=True, exist_ok=True)
        host = socket.gethostname()
        for old in self.final.parent.glob(f".tmp-{host}-*-{self.final.name}"):
            pid = old.name.removeprefix(f".tmp-{host}-").split("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                _remove(old)

    def commit(self) -> None:
        """Move the finished file or folder to its final name, also where another copy of the job does so now."""
        old = [self.path]
        while True:
            try:
                self.path.replace(self.final)
                break
            except OSError as error:
                if error.errno not in OCCUPIED:
                    raise
            # Only an exchange leaves no moment without an output; most network file systems do not support it.
            if _exchange(self.path, self.final):
                break
            old.append(type(self)(self.final).path)
            with suppress(FileNotFoundError):  # the other copy has just put it aside
                self.final.rename(old[-1])
        for path in old:
            _remove(path)

    def discard(self) -> None:
        """Remove incomplete output."""
        _remove(self.path)


class SharedOut(Out):
    """An output of aggregates or authored content, free of patient-level data: it may be shared."""

    sharing = "shareable"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False if one is missing, or the system or file system does not support it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    names = (AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other))
    return renameat2 is not None and renameat2(*names, RENAME_EXCHANGE) == 0
