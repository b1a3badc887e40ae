"""Meaning of a server's response: an answer, a refusal of this request, a reason to retry, or a fatal error."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import openai

from clinragen.llm.pace import requested_pause

ReplyStatus = Literal["answered", "refused", "filtered", "empty"]
INVALID_RESPONSE = "the server returned an invalid response"
# Errors that affect every request of a run.
NO_CREDIT = "the account has no credit left"
FATAL = {401: "API key rejected", 402: NO_CREDIT, 403: "access denied", 404: "unknown model or URL"}
FATAL_CODES = {
    "insufficient_quota": NO_CREDIT,
    "unsupported_parameter": "a parameter that the model does not support",
    "unsupported_value": "a value that the model does not support",
}
TRANSIENT = (408, 409, 429)
INTERRUPTED = ("abort", "insufficient_system_resource")
"""Finish reasons of vLLM and DeepSeek for interrupted answers."""
LARGEST = 4_000_000
"""Characters of an answer; a longer one counts as empty."""


@dataclass(frozen=True)
class Reply:
    """The reply of the model: `answered` with a text, or `refused`, `filtered`, `empty` without one."""

    status: ReplyStatus
    text: str
    finish_reason: str
    served_model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class FatalError(Exception):
    """An error that affects every request."""


class TransientError(Exception):
    """An error after which the request may succeed if it is sent again.

    `busy`: the server asks for fewer requests; `seconds`: for how long, if it says so; `gone`: the server answers no
    request at the moment.
    """

    def __init__(self, reason: str, *, busy: bool = False, seconds: float | None = None, gone: bool = False) -> None:
        super().__init__(reason)
        self.busy, self.seconds, self.gone = busy, seconds, gone


def read_reply(response: Any, endpoint: str) -> Reply:
    """Parse a response (JSON) of the endpoint (`chat`, `completions`); TransientError if it is not valid."""
    try:
        choice = response["choices"][0]
        message = choice["message"] if endpoint == "chat" else {}
        text = message.get("content") if endpoint == "chat" else choice["text"]
        reason = plain_code(str(choice.get("finish_reason"))) or "other"
        refusal = message.get("refusal")
        if text is not None and not isinstance(text, str):
            raise TypeError
    except (AttributeError, TypeError, KeyError, IndexError):
        raise TransientError(INVALID_RESPONSE) from None
    if reason in INTERRUPTED:
        raise TransientError(f"the server interrupted the answer ({reason})")
    text = _storable(text or "")
    usage = response.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts = [_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    status: ReplyStatus
    if len(text) > LARGEST:
        status, text, reason = "empty", "", "too_long"
    elif reason == "content_filter":
        status, text = "filtered", ""
    elif text.strip():
        status = "answered"
    else:
        status, text = ("refused", "") if refusal else ("empty", "")
    return Reply(status, text, "refusal" if refusal else reason, _storable(str(response.get("model") or "")), *counts)


def read_error(error: openai.APIStatusError) -> Reply:
    """Return the refusal in an error response; TransientError if a retry may help, FatalError for every request.

    Only status and code are kept, because the server's message may quote the prompt or the key.
    """
    status, code = error.status_code, _code(error)
    fact = ", ".join(
        part for part in (f"HTTP status {status}", FATAL.get(status) or FATAL_CODES.get(code), code) if part
    )
    if status in FATAL or code in FATAL_CODES:
        raise FatalError(fact)
    if status < 400:
        raise FatalError(f"{fact}: the server redirects, which is not followed; correct base_url")
    if status >= 500 or status in TRANSIENT:
        pause = requested_pause(error.response.headers)
        raise TransientError(fact, busy=status == 429, seconds=pause, gone=status >= 500)
    return Reply("filtered" if code == "content_filter" else "refused", "", fact)


def about_response_format(error: openai.APIStatusError) -> bool:
    """Return whether an error response mentions `response_format`, in any field."""
    return error.status_code in (400, 422) and "response_format" in str(error.body)


def _code(error: openai.APIStatusError) -> str:
    """Return the error's code, or its type if it has none; servers use different fields."""
    body: dict[str, Any] = error.body if isinstance(error.body, dict) else {}
    inner = body.get("innererror")
    inner_code = inner.get("code") if isinstance(inner, dict) else None
    values = (error.code, body.get("code"), inner_code, error.type, body.get("type"))
    return next(filter(None, map(plain_code, values)), "")


def plain_code(value: Any) -> str:
    """Return the code of an error; empty for any other value, such as a sentence that may quote the prompt."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]{1,60}", value) else ""


def _storable(text: str) -> str:
    """Return a text without lone surrogates, which JSON can contain but files cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(value: Any) -> int:
    """Return a number of tokens, 0 for an invalid value."""
    try:
        return min(max(int(value), 0), 2**31)
    except (TypeError, ValueError, OverflowError):
        return 0
