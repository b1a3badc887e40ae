"""What Python processes really execute and read below a folder: for tests, loaded through PYTHONPATH.

A line of JSON per event goes to a file in the folder $WITNESS_LOG: the command line of the process, `ran` or `read`,
and the path. What libraries in C++ open (DuckDB, Arrow) is not seen.
"""

import json
import os
import sys

ROOT = os.environ["WITNESS_ROOT"] + os.sep
COMMAND = sys.orig_argv
LOG = os.open(f"{os.environ['WITNESS_LOG']}/{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def tell(what: str, path: str) -> None:
    path = os.path.abspath(path)  # noqa: PTH100 - as it was opened, links not followed
    if path.startswith(ROOT):
        os.write(LOG, (json.dumps([COMMAND, what, path.removeprefix(ROOT)]) + "\n").encode())


def hook(event: str, arguments: tuple) -> None:
    if event == "exec" and hasattr(arguments[0], "co_filename"):
        tell("ran", arguments[0].co_filename)
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        flags = arguments[2] or 0
        if not flags & (os.O_WRONLY | os.O_RDWR):
            tell("read", os.fsdecode(arguments[0]))


sys.addaudithook(hook)
