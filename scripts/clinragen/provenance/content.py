"""Content hash of files that no rule writes: raw tables, resources, templates, the user's lists and weights."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from clinragen.errors import UserError

WHOLE = 1 << 20
PIECES, PIECE = 16, 1 << 16


def content_digest(paths: Iterable[str | Path]) -> str:
    """Return a hash of the names and contents of files; UserError names a missing one.

    Files up to 1 MiB are hashed whole, larger ones by their size and 16 pieces of 64 KiB spread over the file, so that
    tens of gigabytes take milliseconds. A gzip file ends with the checksum and length of its content, so almost any
    change is detected. A change of a plain file between the pieces that keeps its size is not.
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
