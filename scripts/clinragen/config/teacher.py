"""Settings of the language model behind terms and rationales."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class Teacher(Section):
    """The teacher LLM: any model behind the OpenAI protocol, or the template stand-in."""

    provider: Literal["openai", "template"]
    """openai: a server (`teacher_transport`); template: rationales composed by rule, no model at all."""
    model: str
    """Name of the model, as the server knows it."""
    temperature: float = Field(ge=0)
    """Sampling temperature."""
    max_tokens: int = Field(ge=1)
    """Longest answer in tokens."""
    repairs: int = Field(ge=0)
    """Further answers asked for when one fails the checks; 0 takes the first one, as the paper does."""


class Transport(Section):
    """How the teacher is reached. Nothing here changes an output, so a change reruns nothing."""

    base_url: str
    """Address of the server, such as http://localhost:8000/v1."""
    api_key_variable: str
    """Environment variable that holds the key; the key itself never enters a file."""
    concurrency: int = Field(ge=1)
    """Requests under way at once."""
    retries: int = Field(ge=0)
    """Attempts after a first failure of one request."""
    timeout_seconds: float = Field(gt=0)
    """Longest wait for one answer."""
    data_use: Literal["none", "local-server", "no-retention-cloud"]
    """What allows MIMIC text to reach `base_url`; `none` refuses (docs/data-access.md)."""

    @property
    def private(self) -> list[str]:
        """What neither log nor record tells: the address of a server that is no public service."""
        return [] if self.base_url.startswith("https://api.") else [self.base_url]
