"""A server of a language model that the job starts on the loopback address of its node."""

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
from clinragen.llm.listener import descendant_listens

log = logging.getLogger("llm.server")
LOOPBACK = "127.0.0.1"
HEALTH = "/health"  # of vLLM, SGLang, llama.cpp and `transformers serve`
PORTS = 5  # attempts with another port, if one is taken before the server starts
TAKEN = re.compile(r"address already in use|errno 98|errno 48", re.IGNORECASE)
SECONDS_TO_END = 20.0  # from SIGTERM to SIGKILL
SHOWN = 20  # last lines of the server's output in a message
# The server needs no API keys and must not use the network.
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}


class PortTaken(Exception):
    """Another process listens on the selected port."""


class ServedModel:
    """The server of a row of `llms` with provider `served`: started on demand, ended by `close`.

    Without `close` it runs until this process ends, because a step may ask several times. A keeper process ends the
    server even if this process is killed.
    """

    def __init__(self, name: str, llm: Llm, server: Server, weights: Path | None, directory: Path) -> None:
        """Prepare a server with the fetched `weights`; its output goes to files in `directory`.

        The output may quote requests, so there is one file per start, readable by the owner only; `close` removes it.
        """
        self.name, self.llm, self.server, self.weights, self.directory = name, llm, server, weights, directory
        self.section = f"llm_transport.{name}.server"
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
        """File with the output of the server since its last start."""
        return self.directory / f"{self.name}-{socket.gethostname()}-{os.getpid()}-{self._starts}.log"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it is ready.

        UserError with the end of its output if it ends early, or is not ready in time.
        """
        if self._keeper and not self.ended():
            return
        if not Path("/proc/net/tcp").exists():
            raise UserError(f"{self.section}: requires Linux; start the server yourself and use provider openai")
        if shutil.which(self.server.command[0]) is None:
            raise UserError(
                f"{self.section}.command: the program {self.server.command[0]} is not found; use --sdm conda, whose "
                "environment envs/serve.yaml has vLLM, or set the full path of the program"
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
        raise UserError(f"{self.section}: {PORTS} free ports in a row were taken by other processes; run again")

    def ended(self, seconds: float = 0.0) -> str:
        """Return why the server has ended, waiting up to `seconds` for it; empty while it runs."""
        if self._keeper is None:
            return ""
        try:
            self._keeper.wait(seconds)
        except subprocess.TimeoutExpired:
            return ""
        return f"the server ended with exit status {self._keeper.returncode}; its output is in {self.output}"

    def close(self) -> None:
        """End the server; its output is kept only if it failed."""
        if self._keeper and not self.ended():
            self.output.unlink(missing_ok=True)
        self._end()

    def command(self, port: int) -> list[str]:
        """Return the command line, with placeholders replaced in each argument and no other interpretation."""
        values = {"{weights}": str(self.weights), "{model}": self.llm.model, "{port}": str(port)}
        pattern = re.compile("|".join(map(re.escape, values)))
        arguments = [pattern.sub(lambda match: values[match[0]], argument) for argument in self.server.command]
        return [*arguments, *self.llm.server_arguments]

    def _start_on(self, port: int) -> None:
        self._port, started = port, time.monotonic()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._starts += 1
        command = [sys.executable, keeper.__file__, str(SECONDS_TO_END), *self.command(port)]
        with os.fdopen(os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            self._keeper = keeper_process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
        log.info("%s: starting the server, process %d, port %d", self.name, keeper_process.pid, port)
        while not self._is_ready(keeper_process.pid):
            if reason := self.ended():
                if TAKEN.search(self._end_of_output()):
                    raise PortTaken
                raise UserError(
                    f"{self.section}.command: {reason.split(';')[0]} before it was ready; correct it or "
                    f"llms.{self.name}.server_arguments. {self._describe_output()}"
                )
            if time.monotonic() - started > self.server.start_seconds:
                raise UserError(
                    f"{self.section}.start_seconds: GET {HEALTH} did not return status 200 within "
                    f"{self.server.start_seconds:g} s; raise it, or correct the command. {self._describe_output()}"
                )
            time.sleep(0.2)
        log.info("%s: the server is ready after %.0f s", self.name, time.monotonic() - started)

    def _is_ready(self, keeper_pid: int) -> bool:
        """Return whether the server responds; PortTaken if another process responds."""
        try:
            with _OPENER.open(f"http://{LOOPBACK}:{self._port}{HEALTH}", timeout=5) as response:
                ready: bool = response.status == 200
        except (OSError, ValueError, urllib.error.URLError):
            return False
        if ready and not descendant_listens(self._port, keeper_pid):
            raise PortTaken
        return ready

    def _end_of_output(self) -> str:
        lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(line[:500] for line in lines[-SHOWN:])

    def _describe_output(self) -> str:
        """Return the end of the output of a server that has received no request and so cannot quote any."""
        text = self._end_of_output()
        return f"End of its output ({self.output}):\n{text}" if text else "It printed nothing"

    def _end(self) -> None:
        if self._keeper is None:
            return
        if self._keeper.stdin:
            self._keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(2 * SECONDS_TO_END)
        self._keeper = None


# Without a proxy, even if the environment names one.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment() -> dict[str, str]:
    """Return the environment of the server: that of this process without keys, with settings that keep it offline."""
    return {name: value for name, value in os.environ.items() if not SECRET.search(name)} | OFFLINE


def free_port() -> int:
    """Return a port of the loopback address on which no process listens now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port
