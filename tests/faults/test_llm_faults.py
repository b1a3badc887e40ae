"""What servers, networks and killed processes do to a run: nothing is lost, nothing is paid twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from openai_server import OpenAIServer, completion, dropped, failure, garbage, prompt_of
from unit.test_llm_teacher import KEY, TEACHER, asked, good, requests, transport

from clinragen.errors import UserError
from clinragen.llm.teacher import ask

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PASSING = {
    "rate limit": failure(429, "rate_limit_exceeded"),
    "rate limit with a wait": failure(429, Retry_After="0.05"),
    "server error": failure(500),
    "unavailable": failure(503),
    "garbage as JSON": garbage('{"choices": [{'),
    "garbage as text": garbage("<html>proxy</html>", "text/html"),
    "other JSON": garbage('{"hello": 1}'),
    "a list": garbage("[]"),
    "no choices": garbage('{"id": "x", "model": "m", "choices": []}'),
    "empty content": lambda request: completion(""),
    "blank content": lambda request: completion("  \n"),
    "no content": lambda request: completion(None),
    "dropped connection": dropped,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_faults_that_pass(fault, openai_server, tmp_path):
    openai_server.script = [fault, fault]
    (answer,) = asked(openai_server, tmp_path / "j", requests(1))
    assert answer.text == "answer to prompt 0" and openai_server.count == 3
    assert len((tmp_path / "j").read_text().splitlines()) == 1


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_faults_that_stay_end_in_a_message_and_a_rerun_continues(fault, openai_server, tmp_path):
    openai_server.script = [None, None, *[fault] * 3]
    with pytest.raises(UserError, match=r"2 of 3 requests are answered.*Re-running requests only the remaining 1"):
        asked(openai_server, tmp_path / "j", requests(3), concurrency=1)
    assert [a.text for a in asked(openai_server, tmp_path / "j", requests(3))] == [
        f"answer to prompt {i}" for i in range(3)
    ]
    assert openai_server.count == 6


def test_the_server_decides_how_long_to_wait(openai_server, tmp_path):
    openai_server.script = [failure(429, Retry_After="1")]
    started = time.monotonic()
    asked(openai_server, tmp_path / "j", requests(1))
    assert 1.0 <= time.monotonic() - started < 4


def test_a_slow_server_is_given_up_and_asked_again(openai_server, tmp_path):
    openai_server.script = [lambda request: time.sleep(1.0) or completion("late")]
    (answer,) = asked(openai_server, tmp_path / "j", requests(1), timeout_seconds=0.3)
    assert answer.text == "answer to prompt 0"


@pytest.mark.parametrize(("status", "fact"), [(401, "API key rejected"), (404, "unknown model")])
def test_what_no_wait_repairs_stops_at_once(status, fact, openai_server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TEST_KEY", KEY)
    openai_server.script = [failure(status, message=f"bad key {KEY} for: prompt 0")] * 50
    with pytest.raises(UserError, match=fact) as error:
        asked(openai_server, tmp_path / "j", requests(20), concurrency=1)
    assert openai_server.count == 1
    assert KEY not in str(error.value) + caplog.text and "prompt 0" not in str(error.value)


def test_one_refused_request_does_not_hold_up_the_others(openai_server, tmp_path):
    openai_server.script = [failure(400, "content_filter")]
    with pytest.raises(UserError, match=r"4 of 5 .*content_filter"):
        asked(openai_server, tmp_path / "j", requests(5), concurrency=1)


def test_a_dead_server_is_not_asked_for_every_sample(openai_server, tmp_path):
    openai_server.script = [failure(500)] * 500
    with pytest.raises(UserError, match="0 of 100"):
        asked(openai_server, tmp_path / "j", requests(100), concurrency=1)
    assert openai_server.count == 9  # three requests, three attempts each


def test_no_server_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr("clinragen.llm.client.FIRST_WAIT", 0.01)
    nowhere = transport("http://127.0.0.1:9/v1")
    with pytest.raises(UserError, match="connection failed"):
        ask(requests(2), TEACHER, nowhere, tmp_path / "j", "mimic3", "synthetic", good)


def test_a_redirect_is_not_followed(openai_server, httpserver, tmp_path):
    httpserver.expect_request("/elsewhere", method="POST").respond_with_data("x")
    openai_server.script = [failure(307, Location=httpserver.url_for("/elsewhere"))] * 5
    with pytest.raises(UserError, match="307"):
        asked(openai_server, tmp_path / "j", requests(1))
    assert all(request.path != "/elsewhere" for request, _ in httpserver.log)


def test_a_local_server_is_not_reached_through_a_proxy(openai_server, tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert asked(openai_server, tmp_path / "j", requests(1))[0].text == "answer to prompt 0"


def test_a_full_disk_ends_in_a_message(openai_server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clinragen.llm.journal.os.fsync", full)
    with pytest.raises(UserError, match="cannot save an answer: No space left"):
        asked(openai_server, tmp_path / "j", requests(3))


WORKER = """
import sys
from pathlib import Path
from clinragen.llm.teacher import ask
from unit.test_llm_teacher import TEACHER, good, requests, transport
n, url, journal = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
answers, _ = ask(requests(n), TEACHER, transport(url, concurrency=1), journal, "mimic3", "synthetic", good)
print(len(answers))
"""


def start(number: int, server: OpenAIServer, journal: Path) -> subprocess.Popen:
    tests = str(SCRIPTS.parent / "tests")
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(number), server.url, str(journal)],
        env={**os.environ, "PYTHONPATH": f"{SCRIPTS}{os.pathsep}{tests}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_nine_in_the_middle_loses_only_the_answer_under_way(openai_server, tmp_path):
    reached, release = threading.Event(), threading.Event()

    def hang(request):
        reached.set()
        release.wait(20)
        return completion(f"answer to {prompt_of(request)}")

    openai_server.script = [None] * 4 + [hang]
    process = start(12, openai_server, tmp_path / "j")
    assert reached.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    release.set()
    assert len((tmp_path / "j").read_text().splitlines()) == 4
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"request": "cut o')
    before = openai_server.count
    answers = asked(openai_server, tmp_path / "j", requests(12))
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(12)]
    assert before == 5 and openai_server.count - before == 8
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert len({line["request"] for line in lines}) == len(lines) == 12


def test_two_processes_at_once_pay_once(openai_server, tmp_path):
    openai_server.reply = lambda prompt: time.sleep(0.05) or f"answer to {prompt}"
    processes = [start(10, openai_server, tmp_path / "j") for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [out.strip() for out, _ in outputs] == ["10", "10"], outputs
    assert openai_server.count == 10
    assert len([json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]) == 10
