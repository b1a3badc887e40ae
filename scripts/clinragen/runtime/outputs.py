"""Outputs appear whole or not at all: written under a temporary name, then renamed.

Patient-level outputs are accessible to owner and group only, whatever the umask: `guarded` ensures it while a step
writes, `commit` for the finished files. The umask may restrict access further.
"""

import ctypes
import errno
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# errno values of rename(2) when the target is occupied by a directory or by the other kind of file.
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
OTHERS, GROUP_WRITES = 0o007, 0o020  # permissions
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


class Out:
    """One output of a step: write to `path`, which becomes `final` when the step has succeeded.

    It is patient-level data, for those who may see MIMIC.
    """

    sharing = "restricted"

    def __init__(self, final: str | Path) -> None:
        self.final = Path(final)
        # Unique per process: after a crash, two copies of a job may write at the same time.
        owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.path = self.final.with_name(f".tmp-{owner}-{self.final.name}")

    def prepare(self) -> None:
        """Create the directory and remove leftovers of dead processes of this host."""
        self.final.parent.mkdir(parents=True, exist_ok=True)
        host = socket.gethostname()
        for old in self.final.parent.glob(f".tmp-{host}-*-{self.final.name}"):
            pid = old.name.removeprefix(f".tmp-{host}-").split("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                _remove(old)

    def mode(self, path: Path) -> int:
        """Return the permissions of a finished file (at most 0640) or directory (at most 0770), less the umask."""
        # Members of a group that share a tree must be able to replace directories, hence to empty them.
        return path.stat().st_mode & ~(_umask() | OTHERS | (GROUP_WRITES if path.is_file() else 0))

    def commit(self) -> None:
        """Move the finished file or directory to its final name, even while another copy of the job does the same."""
        for path in (self.path, *self.path.rglob("*")):
            # Refused to the owner only on file systems without permissions.
            with suppress(PermissionError):
                if not path.is_symlink():
                    path.chmod(self.mode(path))
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
            with suppress(FileNotFoundError):  # the other copy has just moved it
                self.final.rename(old[-1])
        for path in old:
            _remove(path)

    def discard(self) -> None:
        """Remove incomplete output."""
        _remove(self.path)


class SharedOut(Out):
    """An output of aggregates or authored content, without patient-level data: it may be shared."""

    sharing = "shareable"

    def mode(self, path: Path) -> int:
        """Return the permissions of a finished file or directory: all that the umask allows."""
        return (0o666 if path.is_file() else 0o777) & ~_umask()


@contextmanager
def guarded() -> Iterator[None]:
    """Make files written within this context accessible to owner and group only."""
    before = _umask()
    os.umask(before | OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def _umask() -> int:
    """Return the umask of this process, which can only be read by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names atomically; False if one is missing, or the system or file system does not support it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    names = (AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second))
    return renameat2 is not None and renameat2(*names, RENAME_EXCHANGE) == 0
