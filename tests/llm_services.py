"""Services with the OpenAI protocol as they differ: each an imitation for `AsyncServer`, which checks what it is sent.

Error bodies, fields and finish reasons are those that the services document or that reports of users quote:
OpenAI and Azure, `{"error": {"message", "type", "param", "code"}}`, Azure's filter with an `innererror`; DeepSeek, the
same with `code: invalid_request_error` for everything; vLLM, `type` and a number as `code`, flat in older versions;
Ollama, `code: null`, or a mere text as `error` from what does not pass its OpenAI layer.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from async_server import response

# What a service answers to a request: status, body and headers.
Reply = tuple[int, Any, dict[str, str]]


def error(status: int, message: str, kind: str | None, code: Any, param: str | None = None, **headers: str) -> Reply:
    """An error in OpenAI's form."""
    return status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, headers


def said(text: str | None, finish: str = "stop", message: dict | None = None, tokens: int = 7, **more: Any) -> Reply:
    """A chat completion, with further fields of message and completion; `usage` only for a prompt of some tokens."""
    choice = {"index": 0, "finish_reason": finish, "logprobs": None}
    choice["message"] = {"role": "assistant", "content": text} | (message or {})
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "served-1", "choices": [choice]}
    usage = {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5}
    return 200, body | ({"usage": usage} if tokens else {}) | more, {}


@dataclass
class Service:
    """An imitation: what it answers by itself, and what to the prompts in `replies` or to the next `script`."""

    base_url: str
    """As in the example, which gives the path."""
    answer: Callable[[dict[str, Any]], Reply]
    blank_lines: int = 0
    """Sent before a response, as DeepSeek keeps connections alive."""
    replies: dict[str, Reply] = field(default_factory=dict)
    script: list[Reply] = field(default_factory=list)

    async def __call__(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        prompt = body["messages"][0]["content"]
        reply = self.script.pop(0) if self.script else self.replies.get(prompt) or self.answer(body)
        status, content, headers = reply
        text = json.dumps(content).encode()
        if not self.blank_lines:
            writer.write(response(status, text, **headers))
            return
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for part in [b"\n"] * self.blank_lines + [text]:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"0\r\n\r\n")

    def url(self, server_url: str) -> str:
        """The address of the imitation: the server's, with the path of the service."""
        return server_url.removesuffix("/v1") + urlsplit(self.base_url).path


def openai(body: dict[str, Any]) -> Reply:
    """OpenAI with a newer model."""
    kind = "invalid_request_error"
    if "max_tokens" in body:
        words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return error(400, words, kind, "unsupported_parameter", "max_tokens")
    if body.get("temperature", 1) != 1:
        words = "Unsupported value: only the default (1) value is supported."
        return error(400, words, kind, "unsupported_value", "temperature")
    return said("good", message={"refusal": None, "annotations": []}, service_tier="default")


SEVERE = {"filtered": True, "severity": "high"}
SAFE = {"filtered": False, "severity": "safe"}


def azure(body: dict[str, Any]) -> Reply:
    """Azure OpenAI: reports of its filter with every answer; the model is the name of a deployment."""
    if body["model"] != "my-deployment":
        return 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, {}
    filters = [{"prompt_index": 0, "content_filter_results": {"violence": SAFE}}]
    return said("good", prompt_filter_results=filters)


FILTERED_BY_AZURE: Reply = (
    400,
    {
        "error": {
            "message": "The response was filtered due to the prompt triggering the content management policy.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"self_harm": SEVERE, "violence": SAFE},
            },
        }
    },
    {},
)


def deepseek(body: dict[str, Any]) -> Reply:
    """DeepSeek's service: reasoning in a separate field, no answers by schema."""
    if body.get("response_format", {}).get("type") == "json_schema":
        words = "This response_format type is unavailable now"
        return error(400, words, "invalid_request_error", "invalid_request_error")
    if any("reasoning_content" in message for message in body["messages"]):
        return error(400, "reasoning_content in the input", "invalid_request_error", "invalid_request_error")
    return said("good", message={"reasoning_content": "The patient is ..."}, system_fingerprint="fp")


def vllm(body: dict[str, Any]) -> Reply:
    """vLLM; `code` is a number."""
    if body["model"] != "meta-llama/Llama-3.1-8B-Instruct":
        return error(404, f"The model `{body['model']}` does not exist.", "NotFoundError", 404, "model")
    fields = {"reasoning": None, "tool_calls": []}
    return said("good", message=fields, prompt_logprobs=None, kv_transfer_params=None)


TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens: Mr. Smith ..."
OVERFLOW = error(400, TOO_LONG, "BadRequestError", 400)
OLD_OVERFLOW: Reply = (
    400,
    {"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400},
    {},
)


def ollama(body: dict[str, Any]) -> Reply:
    """Ollama: prompts are cut to the context, and nothing in the answer says so."""
    if body["model"] != "llama3.1:8b":
        return error(404, f'model "{body["model"]}" not found, try pulling it first', "not_found_error", None)
    tokens = sum(len(message["content"]) for message in body["messages"]) // 4
    return said("good", tokens=min(tokens, 4096), system_fingerprint="fp_ollama")
