"""Content hash of files that no rule makes: raw tables, resources, templates, lists and weights of the user."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from clinragen.errors import UserError

WHOLE = 1 << 20
PIECES, PIECE = 16, 1 << 16


def content_digest(paths: Iterable[str | Path]) -> str:
    """Hash of the names and contents of files; UserError names a missing one.

    Files up to 1 MiB count wholly, larger ones by their size and 16 pieces of 64 KiB from beginning to end, so that
    tens of gigabytes cost milliseconds. A gzip file ends with the checksum and length of its content, so almost any
    change shows; a plain file edited in place between the pieces, at the same size, does not.
    """
    total = hashlib.sha256()
    for path in sorted(map(Path, paths)):
        try:
            status = path.stat()
            digest = _digest(path, (status.st_size, status.st_ctime_ns, status.st_ino))
        except FileNotFoundError:
            raise UserError(f"{path} is missing; restore it (a tracked file: git checkout -- {path})") from None
        total.update(path.as_posix().encode() + b"\0" + digest)
    return total.hexdigest()[:16]


@cache
def _digest(path: Path, stamp: tuple[int, int, int]) -> bytes:
    size = stamp[0]
    if size <= WHOLE:
        return hashlib.sha256(path.read_bytes()).digest()
    pieces = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(PIECES):
            file.seek((size - PIECE) * number // (PIECES - 1))
            pieces.update(file.read(PIECE))
    return pieces.digest()
