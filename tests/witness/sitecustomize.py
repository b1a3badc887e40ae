"""What Python processes really execute and read below a directory: for tests, loaded through PYTHONPATH.

A line of JSON per file goes to a file in the directory $WITNESS_LOG: the command line of the process, `ran` or `read`,
and the path. What libraries in C++ open (DuckDB, Arrow) is not seen.
"""

import json
import os
import sys

ROOT = os.environ["WITNESS_ROOT"] + os.sep
COMMAND = sys.orig_argv
LOG = os.open(f"{os.environ['WITNESS_LOG']}/{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
reported: set[tuple[str, str]] = set()


def report(what: str, path: str) -> None:
    path = os.path.abspath(path)  # noqa: PTH100 - as it was opened, links not followed
    if path.startswith(ROOT) and (what, path) not in reported:
        reported.add((what, path))
        os.write(LOG, (json.dumps([COMMAND, what, path.removeprefix(ROOT)]) + "\n").encode())


def hook(event: str, arguments: tuple) -> None:
    if event == "exec":
        name = getattr(arguments[0], "co_filename", "<text>")
        if not name.startswith("<"):
            report("ran", name)
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, mode, flags = os.fsdecode(arguments[0]), arguments[1], arguments[2] or 0
        # os.open, without a mode, may mean a place in an open directory, as when a tree is removed.
        if not flags & (os.O_WRONLY | os.O_RDWR) and (mode is not None or os.path.exists(path)):  # noqa: PTH110
            report("read", path)


sys.addaudithook(hook)
