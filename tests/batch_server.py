"""A scripted server of OpenAI's batch API: files go up, batches are created and polled, results come down."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openai_server import completion, dropped
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

FILES, BATCHES = "/v1/files", "/v1/batches"


@dataclass
class Fate:
    """What becomes of one batch."""

    status: str = "completed"
    """How it ends; `in_progress`: never."""
    code: str = ""
    """Why it failed."""
    answered: int | None = None
    """How many of its requests are answered before it expires or is cancelled; None: all."""
    polls: int = 1
    """How often it is looked at before it ends."""


@dataclass
class BatchServer:
    """Answers each request by `reply`; each batch meets the next of `fates`, or is completed."""

    http: HTTPServer
    reply: Callable[[str], str] = lambda prompt: f"answer to {prompt}"
    fates: list[Fate] = field(default_factory=list)
    results: dict[str, Callable[[dict[str, Any]], str]] = field(default_factory=dict)
    """By prompt: the line of the result file in place of an answer, from the result that would be right."""
    lost: dict[tuple[str, str], int] = field(default_factory=dict)
    """By method and path: how many of the next requests are served and then dropped without a response."""

    def __post_init__(self) -> None:
        self.url = self.http.url_for("/v1")
        self.files: dict[str, bytes] = {}
        self.uploads: list[bytes] = []
        self.batches: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.keys: set[str] = set()
        self._ends: dict[str, tuple[Fate, int]] = {}
        self._lock = threading.Lock()
        self.http.expect_request(re.compile("/v1/(files|batches).*")).respond_with_handler(self._serve)

    @property
    def prompts(self) -> list[str]:
        """Last message of each request of each batch: what has to be paid."""
        files = [self.files_ever[batch["input_file_id"]] for batch in self.batches.values()]
        return [prompt_of(json.loads(line)["body"]) for content in files for line in content.splitlines()]

    @property
    def files_ever(self) -> dict[str, bytes]:
        """Every file that was uploaded, deleted ones included."""
        return {f"file-{n}": content for n, content in enumerate(self.uploads)}

    def _serve(self, request: Request) -> Response:
        with self._lock:
            self.keys.add(request.headers.get("Authorization", ""))
            response = self._respond(request, request.path.removeprefix("/v1/").split("/"))
            place = (request.method, request.path)
            if self.lost.get(place, 0):
                self.lost[place] -= 1
                return dropped(request)
            return response

    def _respond(self, request: Request, path: list[str]) -> Response:
        match (request.method, path):
            case ("POST", ["files"]):
                content = request.files["file"].read()
                name = f"file-{len(self.uploads)}"
                self.uploads.append(content)
                self.files[name] = content
                return said(
                    {"id": name, "object": "file", "created_at": 100 + len(self.uploads), "bytes": len(content)}
                )
            case ("GET", ["files", name, "content"]) if name in self.files:
                return Response(self.files[name], content_type="application/octet-stream")
            case ("DELETE", ["files", name]) if name in self.files:
                del self.files[name]
                self.deleted.append(name)
                return said({"id": name, "object": "file", "deleted": True})
            case ("POST", ["batches"]):
                return said(self._create(request.get_json()))
            case ("GET", ["batches"]):
                newest_first = list(self.batches.values())[::-1]
                return said({"object": "list", "data": newest_first, "has_more": False})
            case ("GET", ["batches", name]) if name in self.batches:
                return said(self._look_at(name))
        return said({"error": {"message": "no such thing", "code": "not_found"}}, 404)

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"batch-{len(self.batches)}"
        fate = self.fates.pop(0) if self.fates else Fate()
        self._ends[name] = (fate, 0)
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "status": "validating",
            "created_at": 101 + len(self.uploads),
            **asked,
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
        }
        return self.batches[name]

    def _look_at(self, name: str) -> dict[str, Any]:
        batch, (fate, polls) = self.batches[name], self._ends[name]
        self._ends[name] = (fate, polls + 1)
        if batch["status"] in ("validating", "in_progress"):
            batch["status"] = "in_progress"
            if polls >= fate.polls and fate.status != "in_progress":
                self._end(name, batch, fate)
        return batch

    def _end(self, name: str, batch: dict[str, Any], fate: Fate) -> None:
        batch["status"] = fate.status
        if fate.status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": fate.code, "message": "the prompt, in full"}]}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        answered = len(lines) if fate.answered is None else fate.answered
        done = [self._result(line) for line in lines[:answered]][::-1]  # in any order
        rest = [error_line(line["custom_id"], f"batch_{fate.status}") for line in lines[answered:]]
        for part, content in (("output_file_id", done), ("error_file_id", rest)):
            if content:
                batch[part] = f"{name}-{part}"
                self.files[batch[part]] = "".join(f"{line}\n" for line in content).encode()

    def _result(self, line: dict[str, Any]) -> str:
        prompt = prompt_of(line["body"])
        body = completion(self.reply(prompt)).get_json()
        result = {"id": "r", "custom_id": line["custom_id"], "error": None}
        result["response"] = {"status_code": 200, "request_id": "x", "body": body}
        change = self.results.get(prompt)
        return change(result) if change else json.dumps(result)


def prompt_of(body: dict[str, Any]) -> str:
    """Text of the last message, or of the prompt."""
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


def refused(status: int, code: str) -> Callable[[dict[str, Any]], str]:
    """A result line of a request that the model's endpoint refused."""

    def line(result: dict[str, Any]) -> str:
        result["response"] |= {"status_code": status, "body": {"error": {"message": "the prompt", "code": code}}}
        return json.dumps(result)

    return line


def error_line(name: str, code: str) -> str:
    """A line of the error file."""
    return json.dumps({"id": "r", "custom_id": name, "response": None, "error": {"code": code, "message": "late"}})


def said(value: Any, status: int = 200) -> Response:
    """A response in JSON."""
    return Response(json.dumps(value), status=status, content_type="application/json")
