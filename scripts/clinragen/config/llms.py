"""Language models that are asked: settings that decide their answers, and separately how they are reached."""

import re
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from clinragen.config.base import Section, UsablePath
from clinragen.config.request import Request

FIXED = {"model", "messages", "prompt", "stream", "n", "temperature", "top_p", "seed"}
FIXED |= {"max_tokens", "max_completion_tokens"}


class Llm(Section):
    """A language model that is asked. Every setting here can change an answer; null parameters are not sent.

    A new row needs only provider and model: by default the server decides all other parameters.
    """

    provider: Literal["openai", "served", "template"]
    """openai: an existing server; served: a server that the job starts; template: answers composed by rules."""
    model: UsablePath
    """Name of the model on the server; if served, a model hub name or a local directory with the weights."""
    revision: str | None = None
    """Commit, tag or branch to fetch, if served; otherwise that of the server's weights, which identifies answers."""
    server_arguments: list[str] = Field([])
    """More arguments of `llm_transport.<name>.server.command`: those that can change an answer."""
    endpoint: Literal["chat", "completions"] = "chat"
    """chat: the server applies the model's chat template; completions: for models without one."""
    temperature: float | None = Field(None, ge=0)
    """Sampling temperature."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling."""
    seed: int | None = None
    """Seed of the server's sampling."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest answer in tokens. Raising it repeats only answers that were cut."""
    max_completion_tokens: int | None = Field(None, ge=1)
    """The same for models that reject `max_tokens`, reasoning tokens included."""
    extra: dict[str, Any] = Field({})
    """More parameters, sent unchanged: `reasoning_effort`, `thinking`, ..."""
    json_schema: bool = False
    """Enforce the schema of JSON answers (key terms) through `response_format`, if the server supports it."""
    max_note_characters: int | None = Field(None, ge=1)
    """Longest note in a prompt: longer ones are cut at the end. A token has 3 to 4 characters; null: no limit."""
    repairs: int = Field(1, ge=0)
    """Additional attempts if an answer fails the checks; 0 takes the first answer, as the paper seems to do."""

    @field_validator("extra")
    @classmethod
    def _not_keys_of_the_row(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if names := sorted(extra.keys() & FIXED):
            raise ValueError(f"{', '.join(names)} cannot be set in extra; use the keys of the row itself")
        return extra

    @model_validator(mode="after")
    def _matches_provider(self) -> "Llm":
        if self.server_arguments and self.provider != "served":
            raise ValueError(f"server_arguments: provider {self.provider} starts no server; set it to []")
        if self.provider == "served" and self.revision is None:
            raise ValueError("revision: null; set it to the revision of the weights, such as main or a commit")
        return self

    @property
    def limit(self) -> int | None:
        """The longest answer in tokens; None without a limit."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of a request in addition to model and text."""
        names = ("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None} | self.extra

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that decide an answer that was not cut; for a served model, its weights do as well."""
        if self.provider == "template":
            return {"provider": "template"}
        limits = ("max_tokens", "max_completion_tokens")
        sent = {name: value for name, value in self.parameters.items() if name not in limits}
        if self.provider == "served":
            # The weights count instead of a name (llm.request.identity_hash).
            return {"server_arguments": self.server_arguments, "endpoint": self.endpoint, "parameters": sent}
        return {"model": self.model, "revision": self.revision, "endpoint": self.endpoint, "parameters": sent}


class Price(Section):
    """Price in US dollars per million tokens."""

    input: float = Field(ge=0)
    """Tokens of the requests."""
    output: float = Field(ge=0)
    """Tokens of the answers."""

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """Return the price of these tokens in US dollars."""
        return (self.input * input_tokens + self.output * output_tokens) / 1_000_000


class Stage(Section):
    """A table of answers, with the model that gave them and its price."""

    stage: str
    """Name of the stage, such as `terms` or `note_rationale`."""
    dataset: str | None
    """Dataset whose text was sent; None for the knowledge documents."""
    llm: str
    """Row of `llms`."""
    provider: str
    """Provider in that row."""
    model: UsablePath
    """Model in that row."""
    price: Price | None
    """Price in US dollars per million tokens; None if unknown."""


class Stages(Section):
    """All stages that ask language models, in the order of the tables with their answers."""

    rows: list[Stage]
    """One row per table."""


class Server(Section):
    """A server that the job starts on the loopback address of its node, and ends when it has all answers."""

    command: list[str] = Field(min_length=1)
    """Program and arguments, without a shell; `{weights}` (a directory), `{model}` and `{port}` are replaced."""
    start_seconds: float = Field(gt=0)
    """Time within which GET /health of the server must return status 200."""
    gpus: int = Field(ge=0)
    """GPUs of the job."""
    request: Request
    """Cluster resources of the job, which includes the server."""

    @field_validator("command")
    @classmethod
    def _names_the_port(cls, command: list[str]) -> list[str]:
        if not any("{port}" in argument for argument in command):
            raise ValueError('no argument contains {port}, which is set when the server starts; add --port "{port}"')
        return command


class Transport(Section):
    """How a language model is reached. Nothing here changes an answer, so a change reruns nothing.

    A new row needs the server's URL, an API key if the server requires one, and the basis for sending MIMIC text.
    """

    base_url: str | None = None
    """URL of the server, such as http://localhost:8000/v1; null if the job starts it."""
    server: Server | None = None
    """How a model with provider `served` is started; null for an existing server."""
    api_key_variable: str | None = None
    """Environment variable with the API key, which is not written to any file; null: the server requires none."""
    concurrency: int = Field(8, ge=1)
    """Number of concurrent requests."""
    requests_per_minute: int | None = Field(None, ge=1)
    """Maximum rate of requests; null: limited by the server only."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """Maximum rate of tokens, counting requests and longest answers; null: limited by the server only."""
    retries: int = Field(6, ge=0)
    """Additional attempts after a request fails. A server that asks to wait is not a failure."""
    timeout_seconds: float = Field(120, gt=0)
    """Time within which a request must be answered completely."""
    batch: bool = False
    """Whether requests go as files to the server's batch API: answers within a day, with OpenAI at half the price."""
    price: Price | None = None
    """Price in the configured mode (`batch`), in US dollars per million tokens; null: unknown."""
    budget: float | None = Field(None, gt=0)
    """US dollars that all answers of this model in `answers` may cost together; above it, no more requests are sent."""
    max_failed: float = Field(0.01, ge=0, le=1)
    """Largest share of requests without a text (refused, filtered, empty); above it, no more requests are sent."""
    data_use: Literal["none", "local-server", "no-retention-cloud"] = "none"
    """Basis on which MIMIC text may be sent to `base_url`; `none` forbids it (docs/data-access.md)."""
    allowed_hosts: list[str] = Field([])
    """Hosts covered by your zero-retention agreement; `no-retention-cloud` permits no others."""
    local_hosts: list[str] = Field([])
    """Hosts on your institution's network that have public addresses, such as a node of the cluster."""

    @field_validator("api_key_variable")
    @classmethod
    def _name_of_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # It may be the key itself, which must not be printed.
            raise ValueError(
                "not the name of an environment variable; write the name here, and export the key under it"
            )
        return name

    @field_validator("budget")
    @classmethod
    def _with_price(cls, budget: float | None, info: ValidationInfo) -> float | None:
        if budget is not None and info.data.get("price", budget) is None:
            raise ValueError("a budget needs the price of this model; set `price` as well, or budget to null")
        return budget

    @property
    def private(self) -> list[str]:
        """Values omitted from logs and records: paths of programs, and a URL unless it is that of a public service."""
        paths = [word for word in self.server.command if word.startswith(("/", "~"))] if self.server else []
        if self.base_url is None or self.base_url.startswith("https://api."):
            return paths
        return [self.base_url, *paths]
