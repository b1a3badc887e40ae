"""Faults of a server that the job starts: no answer is lost, no process remains, and the message names the cause."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from served import lines, running, scripted, served_model, weights_in
from unit.test_llm_ask import KEY, entries, good, requests

from clinragen.errors import UserError
from clinragen.llm import serve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("clinragen.llm.run.FIRST_WAIT", 0.2)
    monkeypatch.setattr(serve, "SECONDS_TO_END", 1.0)


@pytest.fixture
def model(tmp_path, request):
    """Return a factory of served models, whose servers are ended after the test."""
    made = []

    def make(*arguments, **changes):
        made.append(served_model(tmp_path, scripted(tmp_path, *arguments), **changes))
        return made[-1]

    yield make
    for one in made:
        one.server.close()


def ask(model, number: int):
    return model.ask(requests(number), "mimic3", [], good)[0]


def pids(directory: Path) -> list[int]:
    return [int(line) for line in lines(directory / "starts")]


def outputs(directory: Path) -> list[Path]:
    return sorted((directory / "answers/servers").glob("*.log"))


def gone(pid: int, seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while running(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    return not running(pid)


def test_one_server_serves_all_requests_of_a_step(model, tmp_path):
    asked = model()
    assert [a.text for a in ask(asked, 3)] == [f"answer to prompt {i}" for i in range(3)]
    assert len(ask(asked, 6)) == 6 and len(lines(tmp_path / "prompts")) == 6
    (pid,) = pids(tmp_path)
    assert running(pid) and outputs(tmp_path)[0].stat().st_mode & 0o777 == 0o600
    asked.server.close()
    assert gone(pid) and outputs(tmp_path) == []


def test_no_server_is_started_if_the_journal_has_every_answer(model, tmp_path):
    before = ask(model(), 3)
    again = model("--exits", "1")
    assert ask(again, 3) == before and len(pids(tmp_path)) == 1


def test_answers_belong_to_the_weights_and_not_to_their_name(model, tmp_path):
    asked = model()
    before = ask(asked, 3)
    assert {answer.request for answer in before} == {asked.key(request) for request in requests(3)}
    # The branch has moved, or the local directory has other files, under the same names.
    other = replace(model(), weights=[weights_in(tmp_path, "other weights")])
    after = ask(other, 3)
    assert len(lines(tmp_path / "prompts")) == 6 and len(pids(tmp_path)) == 2
    assert not {answer.request for answer in before} & {answer.request for answer in after}
    assert {answer.request for answer in after} == {other.key(request) for request in requests(3)}
    # The first weights, in another directory and under other names.
    names = {"model": "/elsewhere/model", "revision": "a-commit"}
    moved = replace(model("--exits", "1", llm=names), weights=[weights_in(tmp_path, name="elsewhere")])
    assert ask(moved, 3) == before and len(pids(tmp_path)) == 2
    other.server.close()


def test_a_server_that_dies_at_the_50th_request_is_restarted(model, tmp_path):
    answers = ask(model("--dies-after", "49"), 120)
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(120)]
    assert len(pids(tmp_path)) == 3 and len(entries(tmp_path / "answers")) == 120
    # Only requests that were in progress when it died are repeated: at most one per connection.
    assert len(lines(tmp_path / "prompts")) <= 120 + 2 * 4


def test_a_server_that_keeps_dying_ends_with_an_error_that_quotes_no_prompt(model, tmp_path, caplog):
    with pytest.raises(UserError) as error:
        ask(model("--dies-after", "10"), 120)
    message = str(error.value)
    assert len(pids(tmp_path)) == 4
    assert "of 120 requests are answered" in message and "the server ended with exit status 9" in message
    assert "requests only the remaining" in message and str(outputs(tmp_path)[-1]) in message
    assert (
        "prompt" not in message
        and "died of" not in caplog.text
        and "died of prompt" in outputs(tmp_path)[-1].read_text()
    )
    assert len(ask(model(), 120)) == 120  # the next run requests the rest


def test_a_server_that_exits_at_once_shows_the_end_of_its_output(model, tmp_path):
    with pytest.raises(UserError, match=r"server\.command: the server ended with exit status 3 before .*") as error:
        ask(model("--exits", "3"), 1)
    assert "CUDA error: no kernel image is available" in str(error.value) and len(pids(tmp_path)) == 1


def test_a_server_that_never_becomes_healthy_shows_the_end_of_its_output_and_is_ended(model, tmp_path):
    with pytest.raises(UserError, match=r"start_seconds: GET /health did not return status 200 within 1 s") as error:
        ask(model("--never-healthy", start_seconds=1), 1)
    assert "loading the weights" in str(error.value) and "Traceback" not in str(error.value)
    assert all(gone(pid) for pid in pids(tmp_path))


def test_a_program_that_is_missing_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"llm_transport\.teacher\.server\.command: the program no-such-vllm .*serve\.yaml"
    ):
        ask(served_model(tmp_path, ["no-such-vllm", "--port", "{port}"]), 1)


def test_a_server_whose_port_is_taken_gets_another_port(model, tmp_path):
    assert len(ask(model("--taken", "2"), 3)) == 3 and len(pids(tmp_path)) == 3
    with pytest.raises(UserError, match="5 free ports in a row"):
        ask(model("--taken", "99"), 4)


def test_another_server_on_the_port_gets_no_request(model, tmp_path, monkeypatch):
    """It could store the text, or return answers of another model."""
    other = tmp_path / "other"
    other.mkdir()
    port = serve.free_port()
    stranger = subprocess.Popen([a.replace("{port}", str(port)) for a in scripted(other)])
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)
        free, ports = serve.free_port(), iter([port])
        monkeypatch.setattr(serve, "free_port", lambda: next(ports, free))
        # The started server loads slowly, and would notice the conflict only when it begins to listen.
        assert len(ask(model("--deaf", str(port)), 3)) == 3
        assert lines(other / "prompts") == [] and len(lines(tmp_path / "prompts")) == 3
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_ignores_sigterm_is_killed_with_its_children(model, tmp_path):
    asked = model("--ignores-sigterm", "--with-child")
    ask(asked, 1)
    child = int((tmp_path / "child").read_text())
    assert running(child)
    asked.server.close()
    assert gone(pids(tmp_path)[0]) and gone(child)


def test_the_server_sees_no_keys_and_stays_off_the_network(model, tmp_path, monkeypatch):
    for name in ("TEST_KEY", "OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD"):
        monkeypatch.setenv(name, KEY)
    ask(model(), 1)
    seen = json.loads((tmp_path / "environment").read_text())
    assert KEY not in seen.values() and "PATH" in seen
    assert seen["HF_HUB_OFFLINE"] == seen["VLLM_NO_USAGE_STATS"] == "1"


def test_arguments_are_not_interpreted_by_a_shell(tmp_path):
    model = served_model(
        tmp_path,
        ["x", "{weights}", "--name={model}", "$(id); {port}", '{"a": "{b}"}'],
        {"model": "a b;$(id)", "server_arguments": ["--seed", "0", "{port}"]},
    )
    weights = str(tmp_path / "weights")
    expected = ["x", weights, "--name=a b;$(id)", "$(id); 7", '{"a": "{b}"}', "--seed", "0", "{port}"]
    assert model.server.command(7) == expected


def test_records_do_not_contain_the_path_of_the_program(tmp_path):
    model = served_model(tmp_path, ["/sw/vllm/bin/vllm", "serve", "{weights}", "--port", "{port}"])
    assert model.transport.private == ["/sw/vllm/bin/vllm"]


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = [{scripts!r}, {tests!r}]
from served import scripted, served_model
from unit.test_llm_ask import good, requests

directory = Path({directory!r})
model = served_model(directory, scripted(directory, "--with-child"))
model.ask(requests(2), "mimic3", [], good)
print("asked", flush=True)
if {waits}:
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [None, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_the_job(number, tmp_path):
    text = PROGRAM.format(
        scripts=str(ROOT / "scripts"), tests=str(ROOT / "tests"), directory=str(tmp_path), waits=number is not None
    )
    command = [sys.executable, "-c", textwrap.dedent(text)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout.readline() == "asked\n"
        (pid,), child = pids(tmp_path), int((tmp_path / "child").read_text())
        if number is not None:
            assert running(pid) and running(child)
            os.kill(job.pid, number)
        job.wait(30)
    assert gone(pid) and gone(child)
