"""Models that are served by the job: a scripted server to be started as a command, and how a test asks it."""

import sys
from pathlib import Path

from unit.test_llm_ask import SETTINGS

from clinragen.config.llms import Llm, Transport
from clinragen.llm.ask import LanguageModel
from clinragen.registry.snapshot import FILE, write_source

# Answers, and misbehaves as its arguments say. It counts its requests and starts in files, and names the process.
SERVER = """
import argparse, http.server, json, os, pathlib, signal, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--directory", type=pathlib.Path)
parser.add_argument("--dies-after", type=int, default=0)
parser.add_argument("--exits", type=int)
parser.add_argument("--never-healthy", action="store_true")
parser.add_argument("--ignores-sigterm", action="store_true")
parser.add_argument("--with-child", action="store_true")
parser.add_argument("--taken", type=int, default=0)
parser.add_argument("--deaf", type=int, default=0)
args = parser.parse_args()

starts = args.directory / "starts"
with starts.open("a") as file:
    file.write(f"{os.getpid()}\\n")
(args.directory / "environment").write_text(json.dumps(dict(os.environ)))
print("loading the weights", flush=True)
if args.ignores_sigterm:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if args.with_child:
    child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.pause()"])
    (args.directory / "child").write_text(str(child.pid))
if args.exits is not None:
    print("CUDA error: no kernel image is available", flush=True)
    sys.exit(args.exits)
if len(starts.read_text().splitlines()) <= args.taken:
    sys.exit("[Errno 98] error while attempting to bind: address already in use")
if args.port == args.deaf:
    time.sleep(1000)
served = 0

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(503 if args.never_healthy else 200, {})

    def do_POST(self):
        global served
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        with (args.directory / "prompts").open("a") as file:
            file.write(prompt + "\\n")
        served += 1
        if args.dies_after and served > args.dies_after:
            print(f"died of {prompt}", flush=True)
            os._exit(9)
        message = {"role": "assistant", "content": f"answer to {prompt}"}
        self.reply(200, {"model": body["model"], "choices": [{"message": message, "finish_reason": "stop"}]})

    def reply(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
"""


def scripted(directory: Path, *arguments: str) -> list[str]:
    """The command of the scripted server."""
    script = directory / "server.py"
    script.write_text(SERVER, encoding="utf-8")
    return [sys.executable, str(script), "--port", "{port}", "--directory", str(directory), *arguments]


def served_model(
    directory: Path, command: list[str], llm: dict | None = None, start_seconds: float = 20, **changes: object
) -> LanguageModel:
    """A model that is served by the command; its answers are kept in the directory."""
    row = Llm(**(SETTINGS | {"provider": "served", "revision": "main"} | (llm or {})))
    server = {
        "command": command,
        "start_seconds": start_seconds,
        "gpus": 1,
        "request": {"memory_mb": 500, "minutes": 10},
    }
    values = {
        "base_url": None,
        "server": server,
        "api_key_variable": "TEST_KEY",
        "concurrency": 4,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "retries": 2,
        "timeout_seconds": 30,
        "max_failed": 0.0,
        "data_use": "local-server",
        "allowed_hosts": [],
        "local_hosts": [],
    }
    return LanguageModel(
        "teacher", row, Transport(**(values | changes)), directory / "answers", [weights_in(directory)]
    )


def weights_in(directory: Path, content: str = "weights", name: str = "weights", source: str = "m") -> Path:
    """A directory with weights, as a rule has fetched them; the scripted server does not read them."""
    weights = directory / name
    weights.mkdir(exist_ok=True)
    (weights / FILE).unlink(missing_ok=True)
    (weights / "model.safetensors").write_text(content, encoding="utf-8")
    write_source(weights, {"source": source, "revision": "main"})
    return weights


def lines(path: Path) -> list[str]:
    """The lines of a file that the scripted server writes; none if it does not exist."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def running(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
