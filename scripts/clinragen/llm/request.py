"""What a language model is asked, and what comes back."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from clinragen.config.llms import Llm
from clinragen.registry.snapshot import read_source

Task = Literal["terms", "note_rationale", "lab_rationale", "diagnosis", "diagnosis_rationale", "judge"]
Status = Literal["good", "flawed", "refused", "filtered", "empty"]
WITHOUT_TEXT: frozenset[Status] = frozenset({"refused", "filtered", "empty"})


@dataclass(frozen=True)
class Request:
    """One question: the rendered prompt for a model, the filled slots for the template stand-in and the checks."""

    task: Task
    prompt: str
    prompt_version: str
    slots: dict[str, Any] = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    """JSON schema of the answer, to which only models with `json_schema: true` are held."""

    @cached_property
    def text_hash(self) -> str:
        """Hash of what is asked."""
        return _hash(self.prompt)

    @cached_property
    def form_hash(self) -> str:
        """Hash of what is asked and of the schema of the answer."""
        return _hash(self.text_hash + json.dumps(self.schema, sort_keys=True))

    def key(self, model: str, by_schema: bool = False) -> str:
        """Identity of the request to a model (`identity_hash`): whatever can change its answer, not the connection.

        `by_schema` says that the model is held to the schema of the request, where it has one.
        """
        return f"{model}-{self.form_hash if by_schema and self.schema else self.text_hash}"


@dataclass(frozen=True)
class Answer:
    """One answer.

    `good` passes the checks, `flawed` still fails those in `problems` after the last repair; the other statuses come
    without a text: the server refused the request, filtered the answer, or answered nothing.
    """

    request: str
    text: str
    status: Status = "good"
    problems: tuple[str, ...] = ()
    served_model: str = ""
    """What the server calls the model; empty for the template."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = ""
    """Why the server says that the text ends; empty for the template."""

    @property
    def without_text(self) -> bool:
        """Whether the server gave no text."""
        return self.status in WITHOUT_TEXT


# Objections to an answer; none when it is good.
Check = Callable[[Request, str], list[str]]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def identity_hash(llm: Llm, weights: Path | None = None) -> str:
    """Hash of what decides an answer besides the question; nothing about the connection is in it.

    A model that is served is what its weights are, not what they are called: `weights` is the directory that was
    fetched. Without it no answer in a journal is this model's. UserError if the directory does not say what it holds.
    """
    identity = llm.identity
    if llm.provider == "served":
        identity["weights"] = read_source(weights)["content"] if weights else None
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
