"""A `python` that runs scripts in forks of one process, which has imported torch, transformers and the like.

Importing them takes longer than most test trainings. Each script runs in a separate process, in the caller's
directory, with its environment and standard streams, and with nothing of `clinragen` imported before. Differences from
a new process: the hash seed, the peak memory, and the imported libraries in records. Tests that compare environments
use the real Python. A test that sends signals starts a `Forked`, which has the number of the script's own process.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NoReturn, Self

LIBRARIES = (
    "numpy, yaml, pydantic, tqdm, pyarrow.parquet, pyarrow.csv, pyarrow.compute, duckdb, matplotlib.pyplot, openai, "
    "torch, accelerate, transformers.models.t5.modeling_t5, transformers.models.patchtst.modeling_patchtst, "
    "transformers.models.auto.tokenization_auto, transformers.models.t5.tokenization_t5, transformers.trainer_seq2seq, "
    "transformers.models.bert.modeling_bert, transformers.models.blip_2.modeling_blip_2, "
    "transformers.models.auto.processing_auto, pandas, scipy.stats, deepspeed, torch.distributed.run"
)
# Variables that libraries read on import.
BEFORE_IMPORTS = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DS_ACCELERATOR": "cpu",
}
# Bytes of a request that are sent at a time.
PACKET = 1 << 15
SHIM = """#!/bin/sh
# Scripts of rules run in forks, and so do torchrun and the scripts that it starts; anything else in the real Python.
[ "$1" = -u ] && shift
case "$1" in */torchrun) export PYTHON_EXEC="$0" ;; esac
case "$1" in
    scripts/*.py | */scripts/*.py | */torchrun) exec "{python}" -S -E "{module}" "{address}" "$@" ;;
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


@cache
def forking_python() -> Path:
    """Return the executable of a server that runs until this process ends."""
    directory = tempfile.TemporaryDirectory()
    server = ForkPython(Path(directory.name))
    atexit.register(directory.cleanup)
    atexit.register(server.__exit__)
    return server.__enter__().path


class Forked:
    """A script in a fork, as `subprocess.Popen` would start it; its output and errors are read together."""

    def __init__(self, python: Path, arguments: list[str], environment: dict[str, str]) -> None:
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading, encoding="utf-8")
        with Path(os.devnull).open() as nothing:
            self._connection = request(
                str(python.parents[1] / "socket"), arguments, environment, [nothing.fileno(), writing, writing]
            )
        os.close(writing)
        self.pid = int(self._connection.recv(16))
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """Send a signal to the script's process."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while the script runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            return self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status; TimeoutError after `timeout` seconds."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            self.returncode = int(self._connection.recv(16))
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for the end and return the output."""
        from concurrent.futures import ThreadPoolExecutor  # not needed by `call`, which starts often

        # Read on the side, because a full pipe would keep the script waiting.
        with ThreadPoolExecutor(1) as pool:
            output = pool.submit(self.stdout.read)
            self.wait(timeout)
            return output.result(timeout), None


def request(address: str, arguments: list[str], environment: dict[str, str], descriptors: list[int]) -> socket.socket:
    """Ask for a script with these standard streams; the connection gives its process number, then its exit status."""
    mask = os.umask(0)
    os.umask(mask)
    line = json.dumps([arguments, str(Path.cwd()), environment, mask]).encode()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(address)
    socket.send_fds(connection, [b"%d\n" % len(line)], descriptors)
    for start in range(0, len(line), PACKET):
        connection.send(line[start : start + PACKET])
    return connection


def call(address: str, arguments: list[str]) -> int:
    """Run a script in a fork and return its exit status, as a shell does: 128 and the number of a signal."""
    with request(address, arguments, dict(os.environ), [0, 1, 2]) as connection:
        connection.recv(16)
        status = int(connection.recv(16) or 1)
    return status if status >= 0 else 128 - status


def serve(address: str) -> None:
    """Serve calls until the process is terminated."""
    import gc

    exec(f"import {LIBRARIES}")
    gc.freeze()  # keeps collections in forks from touching, and so copying, these objects
    handlers = set()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
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
    """Run one script in a child; report its process number and then its exit status; never returns.

    The script is killed if its caller ends first.
    """
    head, descriptors, _, _ = socket.recv_fds(connection, 16, 3)
    request = b""
    while len(request) < int(head):
        request += connection.recv(PACKET)
    child = os.fork()
    if child == 0:
        connection.close()
        leave(run(*json.loads(request), descriptors))
    for descriptor in descriptors:
        os.close(descriptor)
    connection.send(b"%d" % child)
    ended = os.pidfd_open(child)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(child, signal.SIGKILL)  # the caller has gone
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        connection.send(b"%d" % status)
    os._exit(0)


def leave(status: int) -> NoReturn:
    """End a fork as Python ends, without tearing down every imported library."""
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
    tempfile.tempdir = None  # where $TMPDIR says
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
