"""A `python` that runs scripts in forks of one process, which has imported torch, transformers and the like.

Importing them takes longer than most test trainings. Each script runs in a separate process, in the caller's
directory, with its environment and standard streams, and with nothing of `clinragen` imported before. Differences from
a new process: the hash seed, the peak memory, and the imported libraries in records. Tests that kill processes, start
several for one training or compare environments use the real Python.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, Self

LIBRARIES = (
    "numpy, yaml, pydantic, tqdm, pyarrow.parquet, pyarrow.csv, pyarrow.compute, duckdb, matplotlib.pyplot, openai, "
    "torch, accelerate, transformers.models.t5.modeling_t5, transformers.models.patchtst.modeling_patchtst, "
    "transformers.models.auto.tokenization_auto, transformers.models.t5.tokenization_t5, transformers.trainer_seq2seq"
)
# Variables that libraries read on import.
BEFORE_IMPORTS = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
SHIM = """#!/bin/sh
# Scripts of rules run in forks; anything else in the real Python.
case "$1" in
    scripts/*.py | */scripts/*.py) exec "{python}" -S -E "{module}" "{address}" "$@" ;;
    *) exec "{python}" "$@" ;;
esac
"""


class ForkPython:
    """The running server; `path` is the executable to call, alone in its directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "bin" / "python"
        self._address = directory / "socket"

    def __enter__(self) -> Self:
        self.path.parent.mkdir()
        module = Path(__file__).resolve()
        self.path.write_text(SHIM.format(python=sys.executable, module=module, address=self._address), encoding="utf-8")
        self.path.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, module, self._address],
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | BEFORE_IMPORTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()


def call(address: str, arguments: list[str]) -> int:
    """Run a script in a fork and return its exit status."""
    mask = os.umask(0)
    request = json.dumps([arguments, str(Path.cwd()), dict(os.environ), mask]).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"%d\n" % len(request)], [0, 1, 2])
        connection.sendall(request)
        status = connection.recv(16)
    return int(status) if status else 1


def serve(address: str) -> None:
    """Serve calls until the process is terminated."""
    import gc

    exec(f"import {LIBRARIES}")
    gc.freeze()  # keeps collections in forks from touching, and so copying, these objects
    handlers = set()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            handlers -= {pid for pid in handlers if os.waitpid(pid, os.WNOHANG)[0]}
            handler = os.fork()
            if handler == 0:
                listener.close()
                handle(connection)
            handlers.add(handler)
            connection.close()


def handle(connection: socket.socket) -> None:
    """Run one script in a child and report its exit status; never returns."""
    head, descriptors, _, _ = socket.recv_fds(connection, 16, 3)
    size, _, request = head.partition(b"\n")
    while len(request) < int(size):
        request += connection.recv(1 << 20)
    child = os.fork()
    if child == 0:
        connection.close()
        leave(run(*json.loads(request), descriptors))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(b"%d" % (status if status >= 0 else 128 - status))
    os._exit(0)


def leave(status: int) -> NoReturn:
    """End a fork as Python ends, without tearing down every imported library."""
    import atexit
    import threading

    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(arguments: list[str], directory: str, environment: dict[str, str], mask: int, descriptors: list[int]) -> int:
    """Take over the environment of the caller, and run the script as the main program, as a new Python would."""
    import runpy
    import traceback

    import torch

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(directory)
    os.umask(mask)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", os.cpu_count())))
    sys.argv, sys.orig_argv = arguments, ["python", *arguments]
    places = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [str(Path(arguments[0]).resolve().parent), *places]
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ImportError):
        import sitecustomize  # noqa: F401
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
