"""A process that runs a server and ends it with its parent: `python keeper.py SECONDS PROGRAM ARGUMENTS...`.

It ends the server and all processes that the server started when its standard input ends: when the parent closes the
other end or exits, however it was killed. It exits with the server's status. It uses only the standard library, so
that it starts quickly.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

NOT_STARTED = 127  # as in a shell


def keep(seconds: float, command: list[str]) -> int:
    """Run the command until it or standard input ends; return its exit status, negative for a signal.

    `seconds` is the time from SIGTERM to SIGKILL.
    """
    try:
        # In a separate process group, so that a signal reaches all its processes.
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
    # Its child processes may still be running.
    _signal(server.pid, signal.SIGKILL)
    return status


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    # As in a shell: `sys.exit` does not accept a negative status.
    status = keep(float(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
