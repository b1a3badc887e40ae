"""The estimate against what a run really costs, by the bill of the server that it asks."""

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from async_server import AsyncServer, response
from runs import copy_of_checkout, overlay, path_with, snakemake, succeeded
from teacher import ZERO_SHOT, answer
from tokenizers import Tokenizer, models, pre_tokenizers

pytestmark = pytest.mark.slow

RESULTS = Path("results/costs")
TAUGHT = ("clinragen", "without-lab-know", "without-know", "clinical-cot-tse")
PRICE = {"input": 0.5, "output": 1.5}
ASKED = ("terms", "note_rationale", "lab_rationale", ZERO_SHOT)
COSTS = f"{RESULTS}/tables/costs.csv"


class Server:
    """A server that responds as a good teacher would, and keeps a separate bill: tokens in and out by stage."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.bill = {stage: Counter() for stage in ASKED}

    def tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)

    async def __call__(self, body, writer) -> None:
        prompt = body["messages"][-1]["content"]
        stage, text = answer(prompt)
        usage = {"prompt_tokens": self.tokens(prompt), "completion_tokens": self.tokens(text)}
        self.bill[stage].update(calls=1, input=usage["prompt_tokens"], output=usage["completion_tokens"])
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        facts = {"id": "c", "object": "chat.completion", "created": 1, "model": "teacher-2026", "usage": usage}
        writer.write(response(200, json.dumps(facts | {"choices": [choice]}).encode()))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A checkout with synthetic data, a tokenizer of a local model, and the model's server."""
    directory = copy_of_checkout(tmp_path_factory.mktemp("costs") / "checkout")
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    (directory / "local-llm").mkdir()
    tokenizer.save(str(directory / "local-llm/tokenizer.json"))
    server = Server(tokenizer)
    with AsyncServer(server) as listening:
        configured(directory, listening.url)
        yield directory, server, listening.url


def configured(directory: Path, url: str, **changes) -> None:
    """Write the overlay: one dataset, a teacher on a server of this machine."""
    transport = {"base_url": url, "price": PRICE, "requests_per_minute": 60_000} | changes
    overlay(
        directory / "small.yaml",
        RESULTS,
        answers="answers",
        datasets={"mimic4": None},
        demo={"patients": {"mimic3": 60, "mimic4": 60}},
        llms={"chatgpt": {"model": "local-llm"}},
        llm_transport={"chatgpt": transport},
        knowledge={"terms": {"llm": "chatgpt"}},
        models={name: {"teacher": "chatgpt"} for name in TAUGHT},
        asked={"chatgpt-zero-shot": {"llm": "chatgpt"}},
        # It would be shown what a student writes, which would have to be trained.
        evaluate={"judge": {"llms": []}},
    )


def run(directory: Path, python: Path, *arguments: str) -> str:
    configuration = ("--configfile", "config/demo.yaml", "small.yaml", "--cores", "2", "--quiet", "rules")
    return succeeded(snakemake(*arguments, *configuration, cwd=directory, PATH=path_with(python.parent)))


def estimate(directory: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """What scripts/estimate.py prints, and its table by stage."""
    command = [sys.executable, "scripts/estimate.py", "--configfile", "config/demo.yaml", "small.yaml", "--cores", "2"]
    printed = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    return printed.stdout, rows(directory / RESULTS / "audit/estimate.csv")


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["stage"]: row for row in csv.DictReader(file)}


def test_the_estimate_meets_the_bill(site, fork_python):
    directory, server, url = site
    # Nothing is there yet: it says what to run, and nothing is asked.
    shown, before = estimate(directory)
    assert "run `snakemake estimate --configfile config/demo.yaml small.yaml --cores 2` first" in shown
    assert before["note_rationale"]["calls"] == ""
    run(directory, fork_python, "estimate")
    shown, before = estimate(directory)
    assert not any(server.bill.values())
    assert "local-llm/tokenizer.json" in shown and "an upper bound" in shown
    # Terms and notes first, then labs, whose requests hold the note rationales.
    made = (RESULTS / "knowledge/terms.parquet", RESULTS / "mimic3/rationale/chatgpt/notes.parquet")
    run(directory, fork_python, *map(str, made))
    _, between = estimate(directory)
    run(directory, fork_python, COSTS)
    _, after = estimate(directory)
    bill, costs = server.bill, rows(directory / COSTS)
    print(shown, (directory / COSTS).read_text(encoding="utf-8"), bill, sep="\n")  # for docs/costs.md: pytest -s

    # Tokens of requests are exact where their text is known.
    assert int(before["note_rationale"]["input_tokens"]) == bill["note_rationale"]["input"]
    assert int(between["lab_rationale"]["input_tokens"]) == bill["lab_rationale"]["input"]
    assert int(before["note_rationale"]["calls"]) == bill["note_rationale"]["calls"] > 30
    # Key terms: between the fewest and the most rounds.
    assert int(before["terms"]["calls_least"]) <= bill["terms"]["calls"] <= int(before["terms"]["calls"])
    # Before the note rationales there is an upper bound for the labs.
    assert int(before["lab_rationale"]["input_tokens"]) > bill["lab_rationale"]["input"]
    for stage in ASKED:
        assert int(before[stage]["output_tokens"]) > bill[stage]["output"]
        assert float(before[stage]["dollars"]) > float(costs[stage]["dollars"])
        # Afterwards nothing is left, and the costs are the bill.
        assert after[stage]["calls"] == "0"
        assert int(after[stage]["requests"]) == int(after[stage]["answered"]) == bill[stage]["calls"]
        for column, name in (("answers", "calls"), ("input_tokens", "input"), ("output_tokens", "output")):
            assert int(costs[stage][column]) == bill[stage][name]
        dollars = (bill[stage]["input"] * PRICE["input"] + bill[stage]["output"] * PRICE["output"]) / 1e6
        assert float(costs[stage]["dollars"]) == pytest.approx(dollars)
        assert costs[stage]["served_models"] == "teacher-2026"
    assert {after[stage]["dollars"] for stage in ASKED} == {"0"}

    # A price is shown by costs.csv and by nothing else; how a model is reached changes no output at all.
    configured(directory, url, price={"input": 5.0, "output": 5.0})
    planned = run(directory, fork_python, COSTS, "--dry-run")
    assert set(re.findall(r"^(\w+) +\d+$", planned, re.MULTILINE)) == {"evaluate_costs", "total"}
    configured(directory, url, batch=True, budget=1e-6, requests_per_minute=7)
    assert "Nothing to be done" in run(directory, fork_python, COSTS, "--dry-run")
