"""A language model's server that the job starts itself, on the loopback address of its node."""

import atexit
import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from clinragen.config.llms import Llm, Server
from clinragen.errors import UserError
from clinragen.llm import keeper
from clinragen.llm.listener import is_ours

log = logging.getLogger("llm.server")
LOOPBACK = "127.0.0.1"
HEALTH = "/health"  # of vLLM, SGLang, llama.cpp and `transformers serve`
PORTS = 5  # that are tried when one is taken between its choice and the server's start
TAKEN = re.compile(r"address already in use|errno 98|errno 48", re.IGNORECASE)
SECONDS_TO_END = 20.0  # from SIGTERM to SIGKILL
SHOWN = 20  # last lines of the server's output in a message
# The server needs no key of any service, and calls none.
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}


class PortTaken(Exception):
    """Another process listens on the port that was chosen."""


class ServedModel:
    """The server of a row of `llms` with provider `served`: started when it is first needed, ended by `close`.

    Without `close` it serves until this process ends, because a step may ask several times. However this process is
    killed, a keeper process then ends the server.
    """

    def __init__(self, name: str, llm: Llm, server: Server, weights: Path | None, folder: Path) -> None:
        """`weights` is the fetched directory; `folder` takes the server's output, in files that `close` removes."""
        self.name, self.llm, self.server, self.weights, self.folder = name, llm, server, weights, folder
        self.section = f"llm_transport.{name}.server"
        # It may quote what is asked, so it goes to files for their owner only, one per start.
        self._starts = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._port = 0
        atexit.register(self.close)

    @property
    def base_url(self) -> str:
        """URL of the running server."""
        return f"http://{LOOPBACK}:{self._port}/v1"

    @property
    def output(self) -> Path:
        """What the server has printed since it was last started."""
        return self.folder / f"{self.name}-{socket.gethostname()}-{os.getpid()}-{self._starts}.log"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it is ready.

        UserError with the end of its output if it ends before, or is not ready in time.
        """
        if self._keeper and not self.ended():
            return
        if not Path("/proc/net/tcp").exists():
            raise UserError(f"{self.section}: needs Linux; start the server yourself and use provider openai")
        if shutil.which(self.server.command[0]) is None:
            raise UserError(
                f"{self.section}.command: the program {self.server.command[0]} is not found; use --sdm conda, whose "
                "environment envs/serve.yaml has vLLM, or give the whole path of the program"
            )
        for _ in range(PORTS):
            try:
                self._start_on(free_port())
                return
            except PortTaken:
                log.warning("%s: port %d was taken by another process; trying another one", self.name, self._port)
                self._end()
            except UserError:
                self._end()
                raise
        raise UserError(f"{self.section}: {PORTS} free ports in a row were taken by others; run it again")

    def ended(self, seconds: float = 0.0) -> str:
        """Why the server is no longer there; empty while it runs, and does not end within so many seconds."""
        if self._keeper is None:
            return ""
        try:
            self._keeper.wait(seconds)
        except subprocess.TimeoutExpired:
            return ""
        return f"the server ended with exit status {self._keeper.returncode}; its output is in {self.output}"

    def close(self) -> None:
        """End the server; what it has printed is kept only where it failed."""
        if self._keeper and not self.ended():
            self.output.unlink(missing_ok=True)
        self._end()

    def command(self, port: int) -> list[str]:
        """The command line: placeholders are replaced in each argument, and nothing else is interpreted."""
        values = {"{weights}": str(self.weights), "{model}": self.llm.model, "{port}": str(port)}
        pattern = re.compile("|".join(map(re.escape, values)))
        given = [pattern.sub(lambda match: values[match[0]], argument) for argument in self.server.command]
        return [*given, *self.llm.server_arguments]

    def _start_on(self, port: int) -> None:
        self._port, started = port, time.monotonic()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._starts += 1
        command = [sys.executable, keeper.__file__, str(SECONDS_TO_END), *self.command(port)]
        with os.fdopen(os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            self._keeper = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
        log.info("%s: starting the server, process %d, port %d", self.name, self._keeper.pid, port)
        while not self._is_ready():
            if reason := self.ended():
                if TAKEN.search(self._end_of_output()):
                    raise PortTaken
                raise UserError(
                    f"{self.section}.command: {reason.split(';')[0]} before it was ready; correct it or "
                    f"llms.{self.name}.server_arguments. {self._said()}"
                )
            if time.monotonic() - started > self.server.start_seconds:
                raise UserError(
                    f"{self.section}.start_seconds: GET {HEALTH} had no status 200 within "
                    f"{self.server.start_seconds:g} s; raise it, or correct the command. {self._said()}"
                )
            time.sleep(0.2)
        log.info("%s: the server is ready after %.0f s", self.name, time.monotonic() - started)

    def _is_ready(self) -> bool:
        """Whether the server answers; PortTaken if it is another one that does."""
        try:
            # Without a proxy, whatever the environment says.
            with _OPENER.open(f"http://{LOOPBACK}:{self._port}{HEALTH}", timeout=5) as answer:
                ready = answer.status == 200
        except (OSError, ValueError, urllib.error.URLError):
            return False
        if ready and not is_ours(self._port, self._keeper.pid):
            raise PortTaken
        return ready

    def _end_of_output(self) -> str:
        lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(line[:500] for line in lines[-SHOWN:])

    def _said(self) -> str:
        """The end of the output of a server that has been asked nothing, so that it can quote nothing."""
        text = self._end_of_output()
        return f"Its output ends ({self.output}):\n{text}" if text else "It has printed nothing"

    def _end(self) -> None:
        if self._keeper is None:
            return
        self._keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(2 * SECONDS_TO_END)
        self._keeper = None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment() -> dict[str, str]:
    """Variables of the server: those of this process without keys, and with those that keep it off the network."""
    return {name: value for name, value in os.environ.items() if not SECRET.search(name)} | OFFLINE


def free_port() -> int:
    """A port of the loopback address on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return listener.getsockname()[1]
