"""Identify the process that listens on a port (Linux): another one may have taken the port of a started server."""

from collections.abc import Iterator
from pathlib import Path

LISTENING = "0A"  # TCP_LISTEN, as /proc/net/tcp writes it
PROC = Path("/proc")


def descendant_listens(port: int, ancestor: int) -> bool:
    """Return whether a process that listens on the port descends from the process `ancestor`."""
    sockets = set(_listening(port))
    return any(ancestor in _ancestors(process) for process in _processes() if sockets & set(_open_files(process)))


def _listening(port: int) -> Iterator[str]:
    """Yield the sockets that listen on a port, named as in the links of /proc."""
    for table in ("tcp", "tcp6"):
        file = PROC / "net" / table
        for line in file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else []:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"


def _processes() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]


def _open_files(process: int) -> Iterator[str]:
    """Yield the open files of a process; none if it has ended or belongs to another user."""
    try:
        for file in (PROC / str(process) / "fd").iterdir():
            yield str(file.readlink())
    except OSError:
        return


def _ancestors(process: int) -> Iterator[int]:
    """Yield the process itself, its parent, and so on."""
    while process:
        yield process
        try:
            # The name in parentheses may contain any character.
            process = int((PROC / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
