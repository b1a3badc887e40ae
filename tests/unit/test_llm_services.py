"""The example of each service: its rows are valid, and the client copes with the peculiarities of the service."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import llm_services
import pytest
import yaml
from async_server import AsyncServer
from llm_services import FILTERED_BY_AZURE, OLD_OVERFLOW, OVERFLOW, Reply, Service, error, said
from snakemake.utils import update_config
from unit.test_llm_ask import FORM, entries, good

from clinragen.config.llms import Llm, Transport
from clinragen.config.root import Config, load_config
from clinragen.errors import UserError
from clinragen.llm.ask import LanguageModel
from clinragen.llm.guard import Destination, host_of, permit
from clinragen.llm.request import Answer, Request

ROOT = Path(__file__).parents[2]
ANSWERS = {
    "chatgpt": llm_services.openai,
    "azure": llm_services.azure,
    "deepseek": llm_services.deepseek,
    "vllm": llm_services.vllm,
    "ollama": llm_services.ollama,
}
PATHS = {"azure": "/openai/v1", "deepseek": ""}  # of all others: /v1
CLOUD = {"chatgpt", "azure", "deepseek"}
RESTRICTED = ["datasets.mimic3.raw"]
KEY = "sk-very-secret-1234567890"


def example() -> Config:
    """The configuration with config/local.example.yaml, as a user who copies it has it."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(merged, yaml.safe_load((ROOT / "config/local.example.yaml").read_text(encoding="utf-8")))
    return load_config(merged)


EXAMPLE = example()


class Asked:
    """A row of the example with an imitation of its service, which replaces only its host."""

    def __init__(self, name: str, server: AsyncServer, service: Service, answers: Path) -> None:
        self.name, self.server, self.service, self.answers = name, server, service, answers

    def model(self, **changes: object) -> LanguageModel:
        """The model of the example, with changes to its row."""
        llm = Llm(**(EXAMPLE.llms[self.name].model_dump() | changes))
        place = {"base_url": self.service.url(self.server.url), "max_failed": 1}
        transport = Transport(**(EXAMPLE.llm_transport[self.name].model_dump() | place))
        return LanguageModel(self.name, llm, transport, self.answers)

    def ask(self, number: int = 1, **changes: object) -> list[Answer]:
        """Return the answers to `number` prompts that have a schema."""
        wanted = [Request("terms", f"prompt {i}", "v1", schema=FORM) for i in range(number)]
        return self.model(**changes).ask(wanted, "public documents", [], good)[0]

    def stops(self, fact: str, number: int = 30, **changes: object) -> int:
        """Expect one line with a fact at the end of the run; the number of requests that were sent before."""
        before = len(self.server.bodies)
        with pytest.raises(UserError, match=fact) as reason:
            self.ask(number, **changes)
        assert "\n" not in str(reason.value) and KEY not in str(reason.value)
        return len(self.server.bodies) - before


@contextmanager
def served(name: str, answers: Path) -> Iterator[Asked]:
    blank_lines = 5 if name == "deepseek" else 0
    service = Service(EXAMPLE.llm_transport[name].base_url, ANSWERS[name], blank_lines)
    with AsyncServer(service) as server:
        yield Asked(name, server, service, answers)


@pytest.fixture
def asked(request, tmp_path, monkeypatch) -> Iterator[Asked]:
    """The service that the test's name begins with."""
    monkeypatch.setattr("clinragen.llm.run.FIRST_WAIT", 0.01)
    for transport in EXAMPLE.llm_transport.values():
        if transport.api_key_variable:
            monkeypatch.setenv(transport.api_key_variable, KEY)
    name = request.node.name.split("_")[1]
    with served({"openai": "chatgpt"}.get(name, name), tmp_path) as service:
        yield service


def test_there_is_an_example_of_each_service():
    written = yaml.safe_load((ROOT / "config/local.example.yaml").read_text(encoding="utf-8"))
    served = {name for name, row in written["llms"].items() if row.get("provider") == "served"}
    judges = set(written["evaluate"]["judge"]["llms"])  # at a service of the others, their rows in config.yaml
    assert set(written["llms"]) - served == set(written["llm_transport"]) - served - judges == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_example_works_as_it_is(name, tmp_path, monkeypatch):
    transport = EXAMPLE.llm_transport[name]
    if transport.api_key_variable:
        monkeypatch.setenv(transport.api_key_variable, KEY)
    with served(name, tmp_path) as asked:
        answers = asked.ask(3)
        heads, bodies = asked.server.heads, asked.server.bodies
    assert [(a.text, a.status, a.served_model) for a in answers] == [("good", "good", "served-1")] * 3
    assert all(head.startswith(f"POST {PATHS.get(name, '/v1')}/chat/completions ") for head in heads)
    assert all((f"Bearer {KEY}" in head) == (name in CLOUD) for head in heads)
    assert all(("response_format" in body) == EXAMPLE.llms[name].json_schema for body in bodies)


@pytest.mark.parametrize("name", sorted(CLOUD))
def test_the_example_of_a_cloud_service_permits_nothing_and_says_what_would(name):
    transport = EXAMPLE.llm_transport[name]
    host = host_of(transport.base_url)
    place = Destination(host, ("192.0.2.1",), local=False, https=True)

    def judge(data_use: str, hosts: list[str]) -> None:
        permit(place, section="s", data_use=data_use, allowed_hosts=hosts, data="MIMIC-III", restricted=RESTRICTED)

    with pytest.raises(UserError):
        judge(transport.data_use, transport.allowed_hosts)
    lines = (ROOT / "config/local.example.yaml").read_text(encoding="utf-8").splitlines()
    if name == "deepseek":
        with pytest.raises(UserError, match=r"zero retention"):
            judge("no-retention-cloud", [host])
    else:
        judge("no-retention-cloud", [host])
        assert f"    allowed_hosts: [] # then: [{host}]" in lines


@pytest.mark.parametrize("name", sorted(set(ANSWERS) - CLOUD))
def test_the_example_of_a_local_server_permits_this_machine_only(name):
    transport = EXAMPLE.llm_transport[name]
    facts = {"section": "s", "data_use": transport.data_use, "allowed_hosts": transport.allowed_hosts}
    permit(Destination("localhost", ("127.0.0.1",), True, False), **facts, data="MIMIC-III", restricted=RESTRICTED)
    with pytest.raises(UserError):
        permit(Destination("x.org", ("192.0.2.1",), False, True), **facts, data="MIMIC-III", restricted=RESTRICTED)


# --- OpenAI ---


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"max_tokens": 400}, "unsupported_parameter"),
        ({"temperature": 0.0}, "unsupported_value"),
    ],
)
def test_openai_newer_models_refuse_the_parameters_of_the_paper(changes, fact, asked):
    assert asked.stops(rf"llm_transport.chatgpt: 0 of 30 .*HTTP status 400, a .*{fact}", **changes) <= 8


def test_openai_without_credit_ends_at_once_and_a_rate_limit_waits(asked):
    quota = error(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota")
    asked.service.script = [quota] * 99
    assert asked.stops("the account has no credit left") <= 8
    asked.service.script = [error(429, "Rate limit", "requests", "rate_limit_exceeded", None, retry_after_ms="300")]
    started = time.monotonic()
    assert asked.ask()[0].status == "good" and 0.3 <= time.monotonic() - started < 5


def test_openai_a_refusal_and_a_prompt_that_is_too_long_are_answers(asked):
    kind = "invalid_request_error"
    asked.service.replies = {
        "prompt 1": said(None, message={"refusal": "I cannot help with that."}),
        "prompt 2": error(400, "maximum context length", kind, "context_length_exceeded", "messages"),
    }
    assert [a.status for a in asked.ask(4)] == ["good", "refused", "refused", "good"]
    assert [e.finish_reason for e in entries(asked.answers) if e.status == "refused"] != []


# --- Azure ---


def test_azure_filters_prompts_and_answers_and_holds_up_no_other(asked):
    asked.service.replies = {
        "prompt 1": FILTERED_BY_AZURE,
        "prompt 2": said("", "content_filter"),
        "prompt 3": said("half of", "content_filter"),
    }
    answers = asked.ask(5)
    assert [a.status for a in answers] == ["good", "filtered", "filtered", "filtered", "good"]
    assert [a.text for a in answers] == ["good", "", "", "", "good"]
    assert len(asked.server.bodies) == 5 and asked.ask(5) == answers and len(asked.server.bodies) == 5


def test_azure_without_the_deployment_or_with_a_wrong_key_ends_at_once(asked):
    assert asked.stops("unknown model or URL, DeploymentNotFound", model="gpt-4.1") <= 8
    denied: Reply = (401, {"error": {"code": "401", "message": f"Access denied: {KEY}"}}, {})
    asked.service.script = [denied] * 99
    assert asked.stops("HTTP status 401, API key rejected") <= 8


def test_azure_a_rate_limit_waits(asked):
    busy: Reply = (
        429,
        {"error": {"code": "RateLimitReached", "message": "retry after 1 second"}},
        {"Retry_After": "1"},
    )
    asked.service.script = [busy]
    started = time.monotonic()
    assert asked.ask()[0].status == "good" and time.monotonic() - started >= 1


# --- DeepSeek ---


def test_deepseek_thoughts_are_no_part_of_an_answer_nor_sent_back(asked):
    def check(request: Request, text: str) -> list[str]:
        return [] if len(asked.server.bodies) > 1 else ["too short"]

    wanted = [Request("terms", "prompt 0", "v1")]
    ((answer,), _) = asked.model().ask(wanted, "public documents", [], check)
    assert answer.text == "good" and len(asked.server.bodies) == 2  # the second holds the first answer


@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (
            error(402, "Insufficient Balance", "unknown_error", "invalid_request_error"),
            "the account has no credit left",
        ),
        (error(401, "Authentication Fails", "authentication_error", "invalid_request_error"), "API key rejected"),
    ],
)
def test_deepseek_without_balance_or_key_ends_at_once(reply, fact, asked):
    """Also in the middle of a run, where each request would otherwise be written down as refused."""
    asked.ask(3)
    asked.service.script = [reply] * 99
    assert asked.stops(rf"llm_transport.deepseek: 3 of 30 .*{fact}") <= 8
    assert {e.status for e in entries(asked.answers)} == {"answered"}


def test_deepseek_refuses_schemas_and_the_setting_is_named(asked):
    assert (
        asked.stops("the server refuses response_format; set llms.deepseek.json_schema: false", json_schema=True) <= 8
    )


def test_deepseek_invalid_parameters_of_one_request_and_broken_off_answers(asked):
    invalid = error(422, "Invalid parameters", "invalid_request_error", "invalid_request_error")
    asked.service.replies = {"prompt 1": invalid}
    asked.ask(1)
    asked.service.script = [said("half of", "insufficient_system_resource"), error(503, "overloaded", None, None)]
    answers = asked.ask(3)
    assert [(a.text, a.status) for a in answers] == [("good", "good"), ("", "refused"), ("good", "good")]


def test_deepseek_an_answer_that_is_all_thought_is_repeated_when_more_tokens_are_allowed(asked):
    asked.service.script = [said("", "length", {"reasoning_content": "thinking"})] * 2
    assert asked.ask()[0].status == "empty"
    assert asked.ask()[0].status == "empty" and len(asked.server.bodies) == 2
    assert asked.ask(max_tokens=4000)[0].status == "good"


# --- vLLM ---


@pytest.mark.parametrize("overflow", [OVERFLOW, OLD_OVERFLOW], ids=["today", "flat"])
def test_vllm_a_prompt_that_is_too_long_is_marked_and_its_text_not_kept(overflow, asked):
    asked.service.replies = {"prompt 1": overflow}
    assert [a.status for a in asked.ask(3)] == ["good", "refused", "good"]
    (refused,) = [e for e in entries(asked.answers) if e.status == "refused"]
    assert refused.finish_reason == "HTTP status 400, BadRequestError"


def test_vllm_another_model_ends_at_once(asked):
    assert asked.stops("unknown model or URL, NotFoundError", model="other") <= 64


def test_vllm_an_aborted_answer_is_asked_again(asked):
    asked.service.script = [said("half of", "abort")]
    assert asked.ask()[0].text == "good"


# --- Ollama ---


def test_ollama_without_usage_counts_no_tokens(asked):
    asked.service.replies = {"prompt 1": said("good", tokens=0), "prompt 2": said("good", tokens=0, usage=None)}
    answers = asked.ask(3)
    assert [a.status for a in answers] == ["good"] * 3
    assert [(a.prompt_tokens, a.completion_tokens) for a in answers] == [(2, 5), (0, 0), (0, 0)]


@pytest.mark.parametrize("bare", [False, True], ids=["as OpenAI", "a text"])
def test_ollama_another_model_ends_at_once(bare, asked):
    if bare:
        asked.service.script = [(404, {"error": "model 'llama3' not found"}, {})] * 99
    assert asked.stops("HTTP status 404, unknown model or URL", model="llama3") <= 4


def test_ollama_cuts_long_prompts_without_a_word_so_the_example_says_it(asked):
    """An answer to a part of the prompt looks like any other: only the server's context can prevent it."""
    wanted = [Request("terms", "word " * 10_000, "v1")]
    ((answer,), _) = asked.model().ask(wanted, "public documents", [], good)
    assert (answer.status, answer.problems, answer.prompt_tokens) == ("good", (), 4096)
    text = (ROOT / "config/local.example.yaml").read_text(encoding="utf-8")
    assert "OLLAMA_CONTEXT_LENGTH" in text and "num_ctx" in text
