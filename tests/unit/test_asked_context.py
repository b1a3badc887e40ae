"""Every shipped model that jobs serve has room in its context for the longest question that it may be asked."""

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from clinragen.asked.predict import predict
from clinragen.benchmark.captions import caption
from clinragen.config.asked import Asked
from clinragen.config.llms import Llm
from clinragen.config.root import Config, load_config
from clinragen.evaluate.judge.items import Item
from clinragen.evaluate.judge.question import check_ratings, judge_request, read_judge_prompt
from clinragen.llm.client import Client
from clinragen.llm.journal import Entry
from clinragen.llm.prompt import cut_note
from clinragen.llm.request import Answer, Check, Request
from clinragen.rationale.claims import read_wordings
from clinragen.rationale.generate import Sample
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.variables import read_variables
from clinragen.workflow.inputs import prompts_of_asked

ROOT = Path(__file__).parents[2]
CHARACTERS_PER_TOKEN = 3  # clinical text has 3 to 4
CHAT_TOKENS = 16  # that a chat template adds to each message
CONTEXT = {  # of the weights; --max-model-len can only be less
    "mistralai/Mistral-7B-Instruct-v0.2": 32768,
    "meta-llama/Llama-2-7b-chat-hf": 4096,
    "meta-llama/Meta-Llama-3-8B-Instruct": 8192,
    "Qwen/Qwen2.5-14B-Instruct": 32768,
}
PHENOTYPES = read_phenotypes(ROOT / "resources/phenotypes.csv")
WORDINGS = read_wordings(ROOT / "resources/phenotype_wordings.csv")
# Answers to which the checks have much to object, whatever was given.
BAD = ("", "; ".join(PHENOTYPES), "No disease was diagnosed.")


@cache
def shipped() -> Config:
    return load_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


def questions(row: Asked, llm: Llm, diagnoses: list[str]) -> Iterator[tuple[Request, Check]]:
    """What a row is asked about the longest case with these diagnoses, as its step asks it."""
    variables = read_variables(ROOT / "resources/variables.csv", shipped().benchmark.series.variables)
    captions = " ".join(caption(variable.name, 1000, 1000) for variable in variables)
    note, cut = cut_note("x" * 100_000, llm.max_note_characters)
    asked = []

    def ask(requests: list[Request], check: Check) -> list[Answer]:
        asked.extend((request, check) for request in requests)
        return [Answer(request.text_hash, "") for request in requests]

    files = ([ROOT / path for path in prompts_of_asked(row)], [ROOT / shipped().rationale.examples])
    predict([Sample(1, note, diagnoses, captions, note_cut=cut)], row.question, *files, PHENOTYPES, WORDINGS, ask)
    yield from asked


def answered(text: str) -> Entry:
    """An answer that was cut off at the longest one allowed."""
    return Entry("", 0, "", "", "", "", "{}", "answered", text, "length", 0, 0, 0.0, "")


def tokens(name: str, request: Request, check: Check) -> int:
    """Most tokens of a question and its answer, and of a repair if one is allowed."""
    llm = shipped().llms[name]
    client = Client(name, llm, shipped().llm_transport[name], None, None, check)
    chains = [[], *([answered(bad)] for bad in BAD * (llm.repairs > 0))]
    most = 0
    for chain in chains:
        messages = client.messages(request, chain)
        words = sum(len(m["content"]) for m in messages if m["role"] == "user")
        # Answers have as many tokens as they may: the one to be repaired, R^m in the question for R^t, and the next.
        answers = len(chain) + (request.task == "lab_rationale") + 1
        most = max(most, -(-words // CHARACTERS_PER_TOKEN) + CHAT_TOKENS * len(messages) + answers * llm.limit)
    return most


def asked_of_served() -> list[tuple[str, str]]:
    return [(name, row.llm) for name, row in shipped().asked.items() if shipped().is_served(row.llm)]


def served_judges() -> list[str]:
    return [name for name in shipped().evaluate.judge.llms if shipped().is_served(name)]


def longest_rating(llm: Llm, diagnoses: list[str]) -> Request:
    """The question to a judge about the longest rationale of the longest case with these diagnoses."""
    variables = read_variables(ROOT / "resources/variables.csv", shipped().benchmark.series.variables)
    captions = " ".join(caption(variable.name, 1000, 1000) for variable in variables)
    note, cut = cut_note("x" * 100_000, llm.max_note_characters)
    # Two answers of the longest, more than a student writes.
    parts = ["x" * CHARACTERS_PER_TOKEN * 500] * 2
    item = Item(Sample(1, note, diagnoses, captions, note_cut=cut), "GT", *parts)
    return judge_request(read_judge_prompt(ROOT / "resources/prompts/judge.txt"), item)


def test_no_shipped_model_is_served_for_anything_else():
    """Another stage that a served model is shipped for needs a test like this one."""
    assert {llm for _, llm in asked_of_served()} | set(served_judges()) == set(shipped().served_llms())
    assert not set(shipped().served_llms()) & {*shipped().teachers(), shipped().knowledge.terms.llm}


@pytest.mark.parametrize("llm", served_judges())
def test_the_longest_rationale_its_rating_and_a_repair_fit_into_the_context_of_a_judge(llm):
    settings = shipped().llms[llm]
    context = int(dict(itertools.pairwise(settings.server_arguments))["--max-model-len"])
    assert context <= CONTEXT[settings.model]
    longest = max(tokens(llm, longest_rating(settings, d), check_ratings) for d in (PHENOTYPES, []))
    assert 0.8 * context < longest <= context, f"{longest} tokens; change llms.{llm}.max_note_characters"


@pytest.mark.parametrize(("name", "llm"), asked_of_served())
def test_the_longest_question_and_its_answer_fit_into_the_context(name, llm):
    row, settings = shipped().asked[name], shipped().llms[llm]
    arguments = dict(itertools.pairwise(settings.server_arguments))
    context = int(arguments["--max-model-len"])
    assert context <= CONTEXT[settings.model]
    asked = [each for diagnoses in (PHENOTYPES, []) for each in questions(row, settings, diagnoses)]
    assert {request.task for request, _ in asked} >= ({"diagnosis"} if row.is_scored else {"lab_rationale"})
    longest = max(tokens(llm, *each) for each in asked)
    assert longest <= context, f"{longest} tokens; lower llms.{llm}.max_note_characters"
