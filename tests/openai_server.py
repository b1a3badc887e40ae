"""A scripted server of the OpenAI protocol that can misbehave on purpose."""

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


class OpenAIServer:
    """Answers each prompt by `reply`, but those of `poison`, after the responses in `script`, one per request."""

    def __init__(self, http: HTTPServer) -> None:
        self.url = http.url_for("/v1")
        self.script: list[Callable[[Request], Response]] = []
        self.poison: dict[str, Callable[[Request], Response]] = {}
        self.reply: Callable[[str], str] = lambda prompt: f"answer to {prompt}"
        self.finish_reason = "stop"
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._lock = threading.Lock()
        for path in (CHAT, COMPLETIONS):
            http.expect_request(path, method="POST").respond_with_handler(self._answer)

    @property
    def count(self) -> int:
        """Requests that arrived."""
        return len(self.bodies)

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.bodies.append(request.get_json())
            self.keys.append(request.headers.get("Authorization", ""))
            step = self.script.pop(0) if self.script else self.poison.get(prompt_of(request))
        return step(request) if step else completion(self.reply(prompt_of(request)), self.finish_reason)


def prompt_of(request: Request) -> str:
    """Text of the last message, or of the prompt."""
    body = request.get_json()
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


def completion(text: str | None, finish_reason: str = "stop") -> Response:
    """A chat completion as OpenAI sends it."""
    return _json(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted-1",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "text": text,
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
        }
    )


def failure(status: int, code: str = "", message: str = "refused", **headers: str) -> Callable[[Request], Response]:
    """An error as OpenAI sends it."""

    def respond(request: Request) -> Response:
        response = _json({"error": {"message": message, "type": "error", "code": code}})
        response.status_code = status
        response.headers.update({k.replace("_", "-"): v for k, v in headers.items()})
        return response

    return respond


def garbage(text: str, kind: str = "application/json") -> Callable[[Request], Response]:
    """Status 200 with something other than a completion."""
    return lambda request: Response(text, content_type=kind)


def dropped(request: Request) -> Response:
    """Close the connection without a word."""
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response("")


def _json(value: Any) -> Response:
    return Response(json.dumps(value), content_type="application/json")
