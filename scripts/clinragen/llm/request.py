"""Requests to a language model, and their answers."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from clinragen.config.llms import Llm
from clinragen.registry.snapshot import read_source

CHARACTERS_PER_TOKEN = 4  # a rule of thumb

Task = Literal["terms", "note_rationale", "lab_rationale", "diagnosis", "diagnosis_rationale", "judge"]
Status = Literal["good", "flawed", "refused", "filtered", "empty"]
WITHOUT_TEXT: frozenset[Status] = frozenset({"refused", "filtered", "empty"})


@dataclass(frozen=True)
class Request:
    """One question: the rendered prompt for a model, and the slots for the template stand-in and the checks."""

    task: Task
    prompt: str
    prompt_version: str
    slots: dict[str, Any] = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    """JSON schema of the answer, enforced only for models with `json_schema: true`."""

    @cached_property
    def text_hash(self) -> str:
        """Hash of the prompt."""
        return _hash(self.prompt)

    @cached_property
    def form_hash(self) -> str:
        """Hash of the prompt and of the schema of the answer."""
        return _hash(self.text_hash + json.dumps(self.schema, sort_keys=True))

    def key(self, model: str, by_schema: bool = False) -> str:
        """Return the identity of the request to a model (`identity_hash`): all that can change its answer.

        `by_schema` says that the schema of the request is enforced, if it has one.
        """
        return f"{model}-{self.form_hash if by_schema and self.schema else self.text_hash}"


@dataclass(frozen=True)
class Answer:
    """One answer.

    `good` passes the checks, `flawed` still fails those in `problems` after the last repair. Answers with another
    status have no text: the server refused the request, filtered the answer, or returned an empty one.
    """

    request: str
    text: str
    status: Status = "good"
    problems: tuple[str, ...] = ()
    served_model: str = ""
    """Name of the model in the server's response; empty for the template."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = ""
    """The server's reason for the end of the text; empty for the template."""

    @property
    def without_text(self) -> bool:
        """Whether the answer has no text."""
        return self.status in WITHOUT_TEXT


Check = Callable[[Request, str], list[str]]
"""Returns the problems of an answer to a request."""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def identity_hash(llm: Llm, weights: Path | None = None) -> str:
    """Return a hash of everything except the question that decides an answer; the connection does not.

    A served model is identified by its weights instead of its name: `weights` is their fetched directory. Without it,
    no answer in a journal belongs to this model. UserError if the directory does not identify its weights.
    """
    identity = llm.identity
    if llm.provider == "served":
        identity["weights"] = read_source(weights)["content"] if weights else None
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
