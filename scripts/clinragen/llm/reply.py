"""What a server's reply means: an answer, no answer for this request, a reason to wait, or the end."""

import re
from dataclasses import dataclass
from typing import Any

import openai

from clinragen.llm.pace import asked_pause

# Errors that no other request of this run would be spared.
NO_CREDIT = "the account has no credit left"
FATAL = {401: "API key rejected", 402: NO_CREDIT, 403: "access denied", 404: "unknown model or URL"}
FATAL_CODES = {
    "insufficient_quota": NO_CREDIT,
    "unsupported_parameter": "a parameter that the model does not know",
    "unsupported_value": "a value that the model does not accept",
}
PASSING = (408, 409, 429)
INTERRUPTED = ("abort", "insufficient_system_resource")
"""Reasons of vLLM and DeepSeek for an answer that they broke off."""
LARGEST = 4_000_000
"""Characters of an answer; more is no answer."""


@dataclass(frozen=True)
class Said:
    """What the model said: `answered` with a text, or `refused`, `filtered`, `empty` without one."""

    status: str
    text: str
    finish_reason: str
    served_model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class NothingCanBeAnswered(Exception):
    """The server would answer no request."""


class AskAgain(Exception):
    """The request may be answered when it is sent again.

    `busy` says that the server asks for fewer requests, `seconds` for how long, where it does; `gone` that no request
    is answered while this lasts.
    """

    def __init__(self, reason: str, *, busy: bool = False, seconds: float | None = None, gone: bool = False) -> None:
        super().__init__(reason)
        self.busy, self.seconds, self.gone = busy, seconds, gone


def read_reply(reply: Any, endpoint: str) -> Said:
    """What a reply (JSON) of the endpoint (`chat`, `completions`) says; AskAgain if it is none."""
    try:
        choice = reply["choices"][0]
        message = choice["message"] if endpoint == "chat" else {}
        text = message.get("content") if endpoint == "chat" else choice["text"]
        reason = plain_code(str(choice.get("finish_reason"))) or "other"
        refusal = message.get("refusal")
        if text is not None and not isinstance(text, str):
            raise TypeError
    except (AttributeError, TypeError, KeyError, IndexError):
        raise AskAgain("the server returned an invalid response") from None
    if reason in INTERRUPTED:
        raise AskAgain(f"the server broke the answer off ({reason})")
    text = _storable(text or "")
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts = [_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    if len(text) > LARGEST:
        status, text, reason = "empty", "", "too_long"
    elif reason == "content_filter":
        status, text = "filtered", ""
    elif text.strip():
        status = "answered"
    else:
        status, text = ("refused", "") if refusal else ("empty", "")
    return Said(status, text, "refusal" if refusal else reason, _storable(str(reply.get("model") or "")), *counts)


def read_error(error: openai.APIStatusError) -> Said:
    """What an error status says of this request; AskAgain if it may pass, NothingCanBeAnswered if it will not.

    The server's own message may quote the prompt or the key: only status and code are kept.
    """
    status, code = error.status_code, _code(error)
    fact = ", ".join(
        part for part in (f"HTTP status {status}", FATAL.get(status) or FATAL_CODES.get(code), code) if part
    )
    if status in FATAL or code in FATAL_CODES:
        raise NothingCanBeAnswered(fact)
    if status < 400:
        raise NothingCanBeAnswered(f"{fact}: the server redirects, which is not followed; correct base_url")
    if status >= 500 or status in PASSING:
        pause = asked_pause(error.response.headers)
        raise AskAgain(fact, busy=status == 429, seconds=pause, gone=status >= 500)
    return Said("filtered" if code == "content_filter" else "refused", "", fact)


def about_response_format(error: openai.APIStatusError) -> bool:
    """Whether the server complains of `response_format`, in whatever field."""
    return error.status_code in (400, 422) and "response_format" in str(error.body)


def _code(error: openai.APIStatusError) -> str:
    """The error's code, or its type where it has none; servers differ in where they put it."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("innererror") if isinstance(body.get("innererror"), dict) else {}
    values = (error.code, body.get("code"), inner.get("code"), error.type, body.get("type"))
    return next(filter(None, map(plain_code, values)), "")


def plain_code(value: Any) -> str:
    """A code of an error; empty where a server sends anything else in its place, such as a sentence with the prompt."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]{1,60}", value) else ""


def _storable(text: str) -> str:
    """A text without lone surrogates, which can be sent as JSON, but neither stored nor shown."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(value: Any) -> int:
    """A number of tokens, 0 where the server sends something else."""
    try:
        return min(max(int(value), 0), 2**31)
    except (TypeError, ValueError, OverflowError):
        return 0
