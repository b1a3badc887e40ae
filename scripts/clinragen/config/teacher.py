"""Settings of the language model that writes terms and rationales."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class Teacher(Section):
    """The teacher LLM: any model with an OpenAI-compatible API, or the template stand-in."""

    provider: Literal["openai", "template"]
    """openai: a server (`teacher_transport`); template: rationales composed by rules, without a model."""
    model: str
    """Name of the model on the server."""
    temperature: float = Field(ge=0)
    """Sampling temperature."""
    max_tokens: int = Field(ge=1)
    """Longest answer in tokens."""
    repairs: int = Field(ge=0)
    """Additional attempts if an answer fails the checks; 0 takes the first answer, as the paper seems to do."""


class Transport(Section):
    """Connection to the teacher. Nothing here changes an output, so a change reruns nothing."""

    base_url: str
    """URL of the server, such as http://localhost:8000/v1."""
    api_key_variable: str
    """Environment variable with the API key; the key itself is never written to a file."""
    concurrency: int = Field(ge=1)
    """Number of concurrent requests."""
    retries: int = Field(ge=0)
    """Additional attempts after a request fails."""
    timeout_seconds: float = Field(gt=0)
    """Timeout of one request."""
    data_use: Literal["none", "local-server", "no-retention-cloud"]
    """Basis on which MIMIC text may be sent to `base_url`; `none` refuses (docs/data-access.md)."""

    @property
    def private(self) -> list[str]:
        """Values omitted from logs and records: the URL of a server that is not a public service."""
        return [] if self.base_url.startswith("https://api.") else [self.base_url]
