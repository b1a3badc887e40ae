"""The budget of a model: it limits all processes together, and a rerun with a higher one continues."""

import threading

import pytest
import yaml
from openai_server import completion, failure
from runs import ROOT
from unit.test_llm_ask import asked, entries, requests

from clinragen.config.root import load_config
from clinragen.errors import UserError

PRICE = {"input": 1e6, "output": 2e6}  # an answer of the scripted server: 7 tokens in, 5 out, so $17


def test_no_request_is_sent_once_the_budget_is_used_up_and_a_higher_one_continues(openai_server, tmp_path):
    with pytest.raises(UserError, match=r"3 of 9 .*llm_transport.teacher.budget is used up \(\$51 of \$40\); raise it"):
        asked(openai_server, tmp_path, requests(9), price=PRICE, budget=40.0, concurrency=1)
    assert openai_server.count == 3
    with pytest.raises(UserError, match=r"3 of 9 .*used up"):
        asked(openai_server, tmp_path, requests(9), price=PRICE, budget=40.0)
    assert openai_server.count == 3
    assert len(asked(openai_server, tmp_path, requests(9), price=PRICE, budget=1000.0)) == 9
    assert openai_server.count == 9


def test_stored_answers_cost_nothing(openai_server, tmp_path):
    asked(openai_server, tmp_path, requests(9))
    assert len(asked(openai_server, tmp_path, requests(9), price=PRICE, budget=1.0)) == 9


def test_the_overshoot_is_bounded_by_the_concurrent_requests(openai_server, tmp_path):
    with pytest.raises(UserError, match="used up"):
        asked(openai_server, tmp_path, requests(60), price=PRICE, budget=17.0 * 20, concurrency=8)
    assert 20 <= openai_server.count <= 20 + 8
    assert len(entries(tmp_path)) == openai_server.count  # sent requests are awaited and recorded


def test_repairs_count(openai_server, tmp_path):
    openai_server.reply = lambda prompt: "bad"
    with pytest.raises(UserError, match="used up"):
        asked(openai_server, tmp_path, requests(9), check=lambda *_: ["bad"], price=PRICE, budget=60.0, concurrency=1)
    assert openai_server.count == 4  # two requests, each with a repair


def test_another_model_has_its_own(openai_server, tmp_path):
    asked(openai_server, tmp_path, requests(9), {"model": "n"})
    assert len(asked(openai_server, tmp_path, requests(2), price=PRICE, budget=35.0)) == 2


def test_two_jobs_share_it(openai_server, tmp_path):
    wanted = requests(80)
    answer = openai_server.reply

    def other() -> None:
        with pytest.raises(UserError, match="used up"):
            asked(openai_server, tmp_path, wanted[40:], price=PRICE, budget=17.0 * 40, concurrency=2)

    openai_server.reply = lambda prompt: threading.Event().wait(0.05) or answer(prompt)
    job = threading.Thread(target=other)
    job.start()
    with pytest.raises(UserError, match="used up"):
        asked(openai_server, tmp_path, wanted[:40], price=PRICE, budget=17.0 * 40, concurrency=2)
    job.join()
    # Each reads the other's answers after every 16 requests.
    assert 40 <= openai_server.count <= 40 + 2 * (16 + 2)


def test_refusals_cost_what_they_report(openai_server, tmp_path):
    openai_server.poison = {"prompt 1": failure(400)}
    assert len(asked(openai_server, tmp_path, requests(3), price=PRICE, budget=35.0, concurrency=1)) == 3


def test_a_budget_needs_a_server_that_reports_tokens(openai_server, tmp_path):
    def without_usage(request):
        response = completion("x")
        response.set_data(response.get_data().replace(b'"usage"', b'"other"'))
        return response

    openai_server.script = [without_usage]
    with pytest.raises(UserError, match="budget cannot be enforced, because the server does not report tokens"):
        asked(openai_server, tmp_path, requests(3), price=PRICE, budget=35.0, concurrency=1)
    assert openai_server.count == 1


def test_a_budget_without_price_is_refused_with_the_remedy():
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["llm_transport"]["chatgpt"]["budget"] = 3
    with pytest.raises(UserError, match=r"llm_transport.chatgpt.budget: a budget needs the price .* set `price`"):
        load_config(config)
    config["llm_transport"]["chatgpt"]["price"] = {"input": 0.5, "output": 1.5}
    assert load_config(config).llm_transport["chatgpt"].price.of(1_000_000, 2_000_000) == 3.5
