"""What is asked of the language model and what comes back."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from clinragen.config.teacher import Teacher

Task = Literal["terms", "note_rationale", "lab_rationale"]


@dataclass(frozen=True)
class Request:
    """One question: the rendered prompt for a model, the filled slots for the template stand-in."""

    task: Task
    prompt: str
    prompt_version: str
    slots: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One answer, with what its checks still object to after the last repair."""

    request: str
    text: str
    problems: tuple[str, ...] = ()


# Objections to an answer; none when it is good.
Check = Callable[[Request, str], list[str]]


def parameters(settings: Teacher) -> dict[str, Any]:
    """The sampling parameters that are sent with a request."""
    return {"temperature": settings.temperature, "max_tokens": settings.max_tokens}


def request_hash(request: Request, settings: Teacher) -> str:
    """Identity of a request: whatever can change its answer, and nothing about the connection."""
    model = settings.model if settings.provider == "openai" else settings.provider
    identity = {
        "task": request.task,
        "prompt": request.prompt,
        "prompt_version": request.prompt_version,
        "model": model,
        "parameters": parameters(settings),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
