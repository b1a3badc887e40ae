"""Settings of the language model behind terms and rationales."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class Teacher(Section):
    """The teacher LLM: any server that speaks the OpenAI protocol, or the template stand-in."""

    provider: Literal["openai", "template"]
    """openai: a server at `base_url`; template: rationales composed by rule, no model at all."""
    model: str
    """Name of the model, as the server knows it."""
    base_url: str
    """Address of the server, such as http://localhost:8000/v1."""
    api_key_variable: str
    """Environment variable that holds the key; the key itself never enters a file."""
    temperature: float = Field(ge=0)
    """Sampling temperature."""
    max_tokens: int = Field(ge=1)
    """Longest answer in tokens."""
    concurrency: int = Field(ge=1)
    """Requests under way at once. Does not change any output."""
    retries: int = Field(ge=0)
    """Attempts after a first failure of one request. Does not change any output."""
    timeout_seconds: float = Field(gt=0)
    """Longest wait for one answer. Does not change any output."""
    data_use: Literal["none", "local-server", "no-retention-cloud"]
    """What allows MIMIC text to reach `base_url`; `none` refuses (docs/data-access.md)."""
