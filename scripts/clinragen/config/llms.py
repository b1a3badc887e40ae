"""Language models that are asked: what decides their answers, and apart from it how they are reached."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from clinragen.config.base import Section, usable_path
from clinragen.config.request import Request

FIXED = {"model", "messages", "prompt", "stream", "n", "temperature", "top_p", "seed"}
FIXED |= {"max_tokens", "max_completion_tokens"}


class Llm(Section):
    """A language model that is asked. Everything here can change an answer; null parameters are not sent.

    A row of your own needs provider and model only: by default the server decides all other parameters.
    """

    provider: Literal["openai", "served", "template"]
    """openai: a server that exists; served: one that the job starts; template: answers composed by rules."""
    model: str
    """Name of the model on the server; if served, a model hub name or a local directory with the weights."""
    revision: str | None = None
    """Commit, tag or branch to fetch, if served; else that of the weights, if known, which identifies answers."""
    server_arguments: list[str] = Field([])
    """Further arguments of `llm_transport.<name>.server.command`, those that can change an answer."""
    endpoint: Literal["chat", "completions"] = "chat"
    """chat: the server applies the model's chat template; completions: for models that have none."""
    temperature: float | None = Field(None, ge=0)
    """Sampling temperature."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling."""
    seed: int | None = None
    """Seed of the server's sampling."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest answer in tokens. Raising it repeats only answers that were cut."""
    max_completion_tokens: int | None = Field(None, ge=1)
    """The same for models that refuse `max_tokens`, reasoning tokens included."""
    extra: dict[str, Any] = Field({})
    """More parameters, sent as they are: `reasoning_effort`, `thinking`, ..."""
    json_schema: bool = False
    """Hold answers that are JSON (key terms) to their schema by `response_format`; for servers that can."""
    max_note_characters: int | None = Field(None, ge=1)
    """Longest note in a prompt: longer ones lose their end. A token has 3 to 4 characters; null: never cut."""
    repairs: int = Field(1, ge=0)
    """Additional attempts if an answer fails the checks; 0 takes the first answer, as the paper seems to do."""

    @field_validator("model")
    @classmethod
    def _usable_path(cls, text: str) -> str:
        return usable_path(text)

    @field_validator("extra")
    @classmethod
    def _sent_nowhere_else(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if names := sorted(extra.keys() & FIXED):
            raise ValueError(f"{', '.join(names)} cannot be sent from here; use the keys of the row itself")
        return extra

    @model_validator(mode="after")
    def _server_is_ours(self) -> "Llm":
        if self.server_arguments and self.provider != "served":
            raise ValueError(f"server_arguments: provider {self.provider} starts no server; set it to []")
        if self.provider == "served" and self.revision is None:
            raise ValueError("revision: null; weights are fetched at a revision, such as main or a commit")
        return self

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
        """What decides an answer that ended by itself, besides the weights of a model that is served."""
        if self.provider == "template":
            return {"provider": "template"}
        limits = ("max_tokens", "max_completion_tokens")
        sent = {name: value for name, value in self.parameters.items() if name not in limits}
        if self.provider == "served":
            # In place of a name, their weights count (llm.request.identity_hash).
            return {"server_arguments": self.server_arguments, "endpoint": self.endpoint, "parameters": sent}
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


class Server(Section):
    """A server that the job starts on the loopback address of its node, and ends when it has all answers."""

    command: list[str] = Field(min_length=1)
    """Program and arguments, not read by a shell; `{weights}` (a directory), `{model}` and `{port}` are replaced."""
    start_seconds: float = Field(gt=0)
    """Time within which GET /health of the server must have status 200."""
    gpus: int = Field(ge=0)
    """GPUs of the job."""
    request: Request
    """Cluster resources of the job, which asks and serves."""

    @field_validator("command")
    @classmethod
    def _names_the_port(cls, command: list[str]) -> list[str]:
        if not any("{port}" in argument for argument in command):
            raise ValueError('no argument contains {port}, which is chosen when the server starts; add --port "{port}"')
        return command


class Transport(Section):
    """How a language model is reached. Nothing here changes an answer, so a change reruns nothing.

    A row of your own needs the server's URL, a key where the server wants one, and the basis for sending MIMIC text.
    """

    base_url: str | None = None
    """URL of the server, such as http://localhost:8000/v1; null if the job starts it."""
    server: Server | None = None
    """How a model with provider `served` is started; null for a server that exists."""
    api_key_variable: str | None = None
    """Environment variable with the API key, which itself is never written to a file; null: the server wants none."""
    concurrency: int = Field(8, ge=1)
    """Number of concurrent requests."""
    requests_per_minute: int | None = Field(None, ge=1)
    """Rate that is not exceeded; null: what the server allows."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """Rate of tokens, of requests and of the longest answers together; null: what the server allows."""
    retries: int = Field(6, ge=0)
    """Additional attempts after a request fails. A request of the server to wait is not a failure."""
    timeout_seconds: float = Field(120, gt=0)
    """Time within which a request must be answered completely."""
    batch: bool = False
    """Whether requests go as files to the server's batch API: answers within a day, with OpenAI at half the price."""
    price: Price | None = None
    """What you pay in the chosen mode (`batch`), in US dollars for a million tokens; null: unknown."""
    budget: float | None = Field(None, gt=0)
    """US dollars that all answers of this model in `answers` may cost together; then nothing more is asked."""
    max_failed: float = Field(0.01, ge=0, le=1)
    """Largest share of requests that may end without a text (refused, filtered, empty); beyond it nothing is asked."""
    data_use: Literal["none", "local-server", "no-retention-cloud"] = "none"
    """Basis on which MIMIC text may be sent to `base_url`; `none` refuses (docs/data-access.md)."""
    allowed_hosts: list[str] = Field([])
    """Hosts that your agreement without data retention covers; `no-retention-cloud` permits no others."""
    local_hosts: list[str] = Field([])
    """Hosts on your institution's network whose addresses do not show it, such as a node of the cluster."""

    @field_validator("budget")
    @classmethod
    def _with_price(cls, budget: float | None, info: ValidationInfo) -> float | None:
        if budget is not None and info.data.get("price", budget) is None:
            raise ValueError("a budget needs the price of this model; set `price` beside it, or budget to null")
        return budget

    @property
    def private(self) -> list[str]:
        """Values omitted from logs and records: a URL that is not of a public service, paths of programs."""
        public = self.base_url is None or self.base_url.startswith("https://api.")
        paths = [word for word in self.server.command if word.startswith(("/", "~"))] if self.server else []
        return paths if public else [self.base_url, *paths]
