"""A process that runs a server and outlives nobody: `python keeper.py SECONDS PROGRAM ARGUMENTS...`.

It ends the server, with all processes that it has started, when its own standard input ends: when the process that
holds the other end closes it, or no longer exists, however that was killed. It leaves with the server's exit status.
Only the standard library is used, so that it starts at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

NOT_STARTED = 127  # as a shell says it


def keep(seconds: float, command: list[str]) -> int:
    """Run the command until it ends, or standard input does; its exit status, negative for a signal.

    `seconds` is how long the server has from SIGTERM to SIGKILL.
    """
    try:
        # A group of its own, by which all of its processes can be reached.
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return NOT_STARTED

    def end() -> None:
        _signal(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
        _signal(server.pid, signal.SIGKILL)

    def end_with_input() -> None:
        while os.read(0, 1024):
            pass
        end()

    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end).start())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_input, daemon=True).start()
    status = server.wait()
    # Its processes may still be there.
    _signal(server.pid, signal.SIGKILL)
    return status


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    # `sys.exit` takes no status of a signal.
    status = keep(float(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
