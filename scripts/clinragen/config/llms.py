"""Language models that are asked: what decides their answers, and apart from it how they are reached."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from clinragen.config.base import Section


class Llm(Section):
    """A language model that is asked. Everything here can change an answer; null parameters are not sent."""

    provider: Literal["openai", "template"]
    """openai: a server with the OpenAI protocol (`llm_transport.<name>`); template: answers composed by rules."""
    model: str
    """Name of the model on the server."""
    revision: str | None
    """Revision of the weights, where you know it; part of the identity of an answer, never sent."""
    endpoint: Literal["chat", "completions"]
    """chat: the server applies the model's chat template; completions: for models that have none."""
    temperature: float | None = Field(ge=0)
    """Sampling temperature."""
    top_p: float | None = Field(gt=0, le=1)
    """Nucleus sampling."""
    seed: int | None
    """Seed of the server's sampling."""
    max_tokens: int | None = Field(ge=1)
    """Longest answer in tokens. Raising it repeats only answers that were cut."""
    max_completion_tokens: int | None = Field(ge=1)
    """The same for models that refuse `max_tokens`, reasoning tokens included."""
    extra: dict[str, Any]
    """More parameters, sent as they are: `response_format`, `reasoning_effort`, ..."""
    repairs: int = Field(ge=0)
    """Additional attempts if an answer fails the checks; 0 takes the first answer, as the paper seems to do."""

    @property
    def limit(self) -> int | None:
        """The longest answer in tokens; None without a limit."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def parameters(self) -> dict[str, Any]:
        """What is sent besides model and text."""
        names = ("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None} | self.extra

    @property
    def identity(self) -> dict[str, Any]:
        """What decides an answer that ended by itself."""
        if self.provider == "template":
            return {"provider": "template"}
        limits = ("max_tokens", "max_completion_tokens")
        sent = {name: value for name, value in self.parameters.items() if name not in limits}
        return {"model": self.model, "revision": self.revision, "endpoint": self.endpoint, "parameters": sent}


class Price(Section):
    """Price in US dollars for a million tokens."""

    input: float = Field(ge=0)
    """Tokens of the requests."""
    output: float = Field(ge=0)
    """Tokens of the answers."""

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars for so many tokens."""
        return (self.input * input_tokens + self.output * output_tokens) / 1_000_000


class Stage(Section):
    """A table of answers, and who gave them at what price."""

    stage: str
    """What was asked for."""
    dataset: str | None
    """Whose text was sent; None for the knowledge documents."""
    llm: str
    """Row of `llms`."""
    provider: str
    """That of the row."""
    model: str
    """That of the row."""
    price: Price | None
    """In US dollars for a million tokens; None if unknown."""


class Stages(Section):
    """What is asked of language models, in the order of the tables that hold the answers."""

    rows: list[Stage]
    """A row per table."""


class Transport(Section):
    """How a language model is reached. Nothing here changes an answer, so a change reruns nothing."""

    base_url: str
    """URL of the server, such as http://localhost:8000/v1."""
    api_key_variable: str
    """Environment variable with the API key; the key itself is never written to a file."""
    concurrency: int = Field(ge=1)
    """Number of concurrent requests."""
    requests_per_minute: int | None = Field(ge=1)
    """Rate that is not exceeded; null: what the server allows."""
    tokens_per_minute: int | None = Field(ge=1)
    """Rate of tokens, of requests and of the longest answers together; null: what the server allows."""
    retries: int = Field(ge=0)
    """Additional attempts after a request fails. A request of the server to wait is not a failure."""
    timeout_seconds: float = Field(gt=0)
    """Time within which a request must be answered completely."""
    batch: bool
    """Whether requests go as files to the server's batch API: answers within a day, with OpenAI at half the price."""
    price: Price | None
    """What you pay in the chosen mode (`batch`), in US dollars for a million tokens; null: unknown."""
    budget: float | None = Field(gt=0)
    """US dollars that all answers of this model in `answers` may cost together; then nothing more is asked."""
    max_failed: float = Field(ge=0, le=1)
    """Largest share of requests that may end without a text (refused, filtered, empty)."""
    data_use: Literal["none", "local-server", "no-retention-cloud"]
    """Basis on which MIMIC text may be sent to `base_url`; `none` refuses (docs/data-access.md)."""
    allowed_hosts: list[str]
    """Hosts that your agreement without data retention covers; `no-retention-cloud` permits no others."""
    local_hosts: list[str]
    """Hosts on your institution's network whose addresses do not show it, such as a node of the cluster."""

    @field_validator("budget")
    @classmethod
    def _with_price(cls, budget: float | None, info: ValidationInfo) -> float | None:
        if budget is not None and info.data.get("price", budget) is None:
            raise ValueError("a budget needs the price of this model; set `price` beside it, or budget to null")
        return budget

    @property
    def private(self) -> list[str]:
        """Values omitted from logs and records: the URL of a server that is not a public service."""
        return [] if self.base_url.startswith("https://api.") else [self.base_url]
