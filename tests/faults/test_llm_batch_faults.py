"""Requests in batches: each is paid for once, despite faults of the job, the server and the connection."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_server import BatchServer, Fate, error_line, refused
from unit.test_llm_ask import KEY, asked, entries, good, requests

from clinragen.errors import UserError
from clinragen.llm.journal import FILE

ROOT = Path(__file__).resolve().parents[2]
PRICE = {"input": 1e6, "output": 0.0}  # seven dollars a request


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    for name in ("FIRST_WAIT", "FIRST_POLL", "LONGEST_POLL"):
        monkeypatch.setattr(f"clinragen.llm.batch.{name}", 0.01)


@pytest.fixture
def server(httpserver):
    return BatchServer(httpserver)


def batched(server, answers, wanted, llm=None, check=good, **changes):
    return asked(server, answers, wanted, llm, check, batch=True, **changes)


def test_answers_come_from_a_batch_into_the_same_journal(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TEST_KEY", KEY)
    answers = batched(server, tmp_path, requests(9))
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(9)]
    assert server.keys == {f"Bearer {KEY}"} and len(server.batches) == 1
    (line, *_) = map(json.loads, server.uploads[0].splitlines())
    assert line["body"]["model"] == "m" and line["body"]["max_tokens"] == 50 and line["method"] == "POST"
    assert server.batches["batch-0"]["endpoint"] == line["url"] == "/v1/chat/completions"
    assert {e.served_model for e in entries(tmp_path)} == {"scripted-1"} and len(entries(tmp_path)) == 9
    # Answered requests are not sent again, individually or in batches.
    assert asked(server, tmp_path, requests(9)) == batched(server, tmp_path, requests(9)) == answers
    assert len(server.batches) == 1
    # The texts do not stay on the server.
    assert not server.files and "file-0" in server.deleted
    assert KEY not in caplog.text and "prompt 0" not in caplog.text


def test_a_model_without_chat_template(server, tmp_path):
    (answer,) = batched(server, tmp_path, requests(1), {"endpoint": "completions"})
    assert answer.text == "answer to prompt 0" and server.batches["batch-0"]["endpoint"] == "/v1/completions"


def test_files_keep_the_limits_of_the_service(server, tmp_path, monkeypatch):
    monkeypatch.setattr("clinragen.llm.batch.MOST_REQUESTS", 4)
    batched(server, tmp_path, requests(9))
    assert [len(content.splitlines()) for content in server.uploads] == [4, 4, 1]
    monkeypatch.setattr("clinragen.llm.batch.MOST_BYTES", 500)
    batched(server, tmp_path, requests(20))
    assert all(len(content) <= 500 for content in server.uploads[3:]) and len(server.prompts) == 20


def test_a_repair_is_part_of_the_next_batch(server, tmp_path):
    def check(request, text):
        return [] if text.endswith("again.") or request.prompt != "prompt 1" else ["too short"]

    answers = batched(server, tmp_path, requests(3), check=check)
    assert [a.status for a in answers] == ["good"] * 3 and [len(u.splitlines()) for u in server.uploads] == [3, 1]
    messages = json.loads(server.uploads[1])["body"]["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"] and "too short" in messages[2]["content"]


LINES = {
    "garbage": lambda result: '{"custom_id": "',
    "deep garbage": lambda result: "[" * 100_000,
    "nothing": lambda result: "",
    "another name": lambda result: json.dumps(result | {"custom_id": "x-0"}),
    "no choices": lambda result: json.dumps(result | {"response": {"status_code": 200, "body": {"choices": []}}}),
    "no body": lambda result: json.dumps(result | {"response": {"status_code": 200}}),
    "a server error": refused(500, "server_error"),
    "a rate limit": refused(429, "rate_limit_exceeded"),
    "an error": lambda result: error_line(result["custom_id"], "server_error"),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_only_an_invalid_line_is_requested_again_and_not_forever(line, server, tmp_path):
    turns = []
    server.results = {
        "prompt 1": lambda result: turns.append(1) or (line(result) if len(turns) < 3 else json.dumps(result))
    }
    assert {a.text for a in batched(server, tmp_path, requests(3))} == {f"answer to prompt {i}" for i in range(3)}
    assert [len(content.splitlines()) for content in server.uploads] == [3, 1, 1] and len(entries(tmp_path)) == 3
    server.results = {"prompt 4": line}
    with pytest.raises(UserError, match=r"4 of 5 .*1 requests remain without an answer \(3 batches.*remaining 1"):
        batched(server, tmp_path, requests(5))


REFUSALS = {
    "400": (refused(400, "invalid_prompt"), "refused"),
    "Azure's filter": (refused(400, "content_filter"), "filtered"),
}


@pytest.mark.parametrize(("line", "status"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_request_is_an_answer(line, status, server, tmp_path):
    server.results = {"prompt 1": line}
    assert [a.status for a in batched(server, tmp_path, requests(4))] == ["good", status, "good", "good"]
    batched(server, tmp_path, requests(4))
    assert len(server.batches) == 1


def test_refusals_of_a_server_that_refuses_everything_are_not_recorded(server, tmp_path):
    server.results = {f"prompt {i}": refused(400, "invalid_value") for i in range(4)}
    with pytest.raises(UserError, match=r"0 of 4 .*refuses every request .HTTP status 400, invalid_value"):
        batched(server, tmp_path, requests(4))
    assert not entries(tmp_path)
    server.results = {}
    assert {a.status for a in batched(server, tmp_path, requests(4))} == {"good"}


def test_a_wrong_parameter_ends_the_stage_and_keeps_the_answers(server, tmp_path):
    server.results = {"prompt 3": refused(400, "unsupported_parameter")}
    with pytest.raises(UserError, match=r"3 of 4 .*a parameter that the model does not support"):
        batched(server, tmp_path, requests(4))


def test_an_expired_batch_keeps_its_answers_and_the_rest_is_requested_again(server, tmp_path):
    server.fates = [Fate("expired", answered=2)]
    assert len(batched(server, tmp_path, requests(5))) == 5
    assert [len(content.splitlines()) for content in server.uploads] == [5, 3] and len(entries(tmp_path)) == 5


def test_a_cancelled_batch_ends_the_stage_and_a_rerun_asks_for_the_rest(server, tmp_path):
    server.fates = [Fate("cancelled", answered=2)]
    with pytest.raises(UserError, match=r"2 of 5 .*cancelled on the server.*remaining 3"):
        batched(server, tmp_path, requests(5))
    batched(server, tmp_path, requests(5))
    assert [len(content.splitlines()) for content in server.uploads] == [5, 3]


def test_a_failed_batch_ends_the_stage_with_its_code_and_nothing_of_its_message(server, tmp_path):
    server.fates = [Fate("failed", code="model_not_found")]
    with pytest.raises(UserError, match=r"0 of 5 .*rejected the batch \(model_not_found\)") as error:
        batched(server, tmp_path, requests(5))
    assert "the prompt, in full" not in str(error.value)
    assert len(batched(server, tmp_path, requests(5))) == 5


def test_a_full_queue_makes_smaller_batches(server, tmp_path):
    server.fates = [Fate("failed", code="token_limit_exceeded")] * 2
    assert len(batched(server, tmp_path, requests(8))) == 8
    assert [len(content.splitlines()) for content in server.uploads] == [8, 4, 4] + [4] * 1
    server.fates = [Fate("failed", code="token_limit_exceeded")] * 9
    with pytest.raises(UserError, match=r"rejects even a batch of one request"):
        batched(server, tmp_path / "other", requests(2))


@pytest.mark.parametrize("place", [("POST", "/v1/files"), ("POST", "/v1/batches"), ("GET", "/v1/batches/batch-0")])
def test_a_lost_response_pays_nothing_twice(place, server, tmp_path):
    """The server has processed the request when the connection drops."""
    server.lost = {place: 1}
    assert len(batched(server, tmp_path, requests(5))) == 5
    assert len(server.batches) == 1 and len(server.prompts) == 5


def test_a_dead_server_ends_with_a_message_and_the_rerun_continues_the_batch(server, tmp_path):
    server.lost = {("GET", "/v1/batches/batch-0"): 99}
    with pytest.raises(UserError, match=r"0 of 5 .*connection failed.*5 requests remain on the server in batches"):
        batched(server, tmp_path, requests(5))
    server.lost = {}
    assert len(batched(server, tmp_path, requests(5))) == 5 and len(server.prompts) == 5


def test_a_batch_that_the_key_does_not_reach(server, tmp_path):
    server.lost = {("GET", "/v1/batches/batch-0"): 99}
    with pytest.raises(UserError):
        batched(server, tmp_path, requests(2))
    server.lost, made = {}, server.batches.copy()
    server.batches.clear()
    remedy = r"HTTP status 404.*batch batch-0.; use the API key.*set llm_transport.teacher.batch"
    with pytest.raises(UserError, match=remedy):
        batched(server, tmp_path, requests(2))
    server.batches.update(made)
    assert len(batched(server, tmp_path, requests(2))) == 2 and len(server.prompts) == 2


def test_a_changed_limit_does_not_apply_to_a_batch_in_progress(server, tmp_path):
    """If a run with a higher limit continues a batch, an answer cut at the lower limit is requested again."""
    server.lost = {("GET", "/v1/batches/batch-0"): 99}
    server.results = {"prompt 0": cut}
    with pytest.raises(UserError):
        batched(server, tmp_path, requests(2))
    server.lost = {}
    server.reply = lambda prompt: server.results.clear() or f"answer to {prompt}"  # cut once only
    assert {a.status for a in batched(server, tmp_path, requests(2), {"max_tokens": 99, "repairs": 0})} == {"good"}
    assert sorted(server.prompts) == ["prompt 0", "prompt 0", "prompt 1"]


def cut(result):
    result["response"]["body"]["choices"][0]["finish_reason"] = "length"
    return json.dumps(result)


def test_a_budget_bounds_batches(server, tmp_path):
    """By the rule of thumb one request exceeds the budget, so each is a batch until the budget is used up."""
    with pytest.raises(UserError, match=r"3 of 5 .*budget is used up \(\$21 of \$15\); raise it"):
        batched(server, tmp_path, requests(5), price=PRICE, budget=15.0)
    assert len(server.prompts) == 3
    assert len(batched(server, tmp_path, requests(5), price=PRICE, budget=1000.0)) == 5 and len(server.prompts) == 5


JOB = """
import sys
sys.path[:0] = [{tests!r}, {scripts!r}]
from pathlib import Path
from types import SimpleNamespace
import clinragen.llm.batch as batch
from unit.test_llm_ask import asked, requests
batch.FIRST_WAIT = batch.FIRST_POLL = batch.LONGEST_POLL = 0.05
{patch}
print(len(asked(SimpleNamespace(url={url!r}), Path({answers!r}), requests(20), batch=True)))
"""
# Points at which the process kills itself with SIGKILL, between two steps of the client.
KILLED = {
    "after the upload": "batch.Batches.uploaded = lambda *_: os.kill(os.getpid(), 9)",
    "before the batch is created": "batch.BatchRun._create = lambda *_: os.kill(os.getpid(), 9)",
    "after the batch is created": "batch.Batches.created = lambda *_: os.kill(os.getpid(), 9)",
    "while polling": "batch.BatchRun._poll = lambda *_: os.kill(os.getpid(), 9)",
    "before the results are written": "batch.Batches.finish = lambda *_: os.kill(os.getpid(), 9)",
    "after the results are written": "batch.BatchRun._delete = lambda *_: os.kill(os.getpid(), 9)",
}


def started(server, answers, patch=""):
    script = JOB.format(
        tests=str(ROOT / "tests"), scripts=str(ROOT / "scripts"), url=server.url, answers=str(answers),
        patch=f"import os\n{patch}",
    )  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("patch", KILLED.values(), ids=KILLED.keys())
def test_a_job_killed_at_any_point_pays_nothing_twice(patch, server, tmp_path):
    job = started(server, tmp_path, patch)
    job.communicate(timeout=60)
    assert job.returncode == -signal.SIGKILL
    assert len(batched(server, tmp_path, requests(20))) == 20
    assert len(server.batches) == 1 and len(server.prompts) == 20 and len(entries(tmp_path)) == 20


def test_after_a_signal_the_batch_continues_and_the_next_job_collects_it(server, tmp_path):
    server.fates = [Fate(polls=10**9)]
    job = started(server, tmp_path)
    deadline = time.monotonic() + 60
    while not server.batches and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(job.pid, signal.SIGTERM)
    _, stderr = job.communicate(timeout=60)
    assert "interrupted by SIGTERM; 20 requests remain on the server in batches" in stderr
    server._ends["batch-0"] = (Fate(), 1)
    assert len(batched(server, tmp_path, requests(20))) == 20 and len(server.prompts) == 20


def test_two_jobs_that_ask_the_same_share_a_batch(server, tmp_path):
    server.fates = [Fate(polls=20)]
    jobs = [started(server, tmp_path) for _ in range(2)]
    assert [job.communicate(timeout=60)[0].strip() for job in jobs] == ["20", "20"]
    assert len(server.prompts) == 20 and len(entries(tmp_path)) == 20


def test_records_of_batches_contain_no_text(server, tmp_path):
    batched(server, tmp_path, requests(2))
    with sqlite3.connect(tmp_path / FILE) as connection:
        rows = connection.execute("SELECT * FROM batches").fetchall()
    assert len(rows) == 1 and "prompt 0" not in str(rows) and rows[0][-1] == 1
