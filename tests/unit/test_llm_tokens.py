"""Tokens of requests: counted by the model's own tokenizer, and said so where there is none."""

import time
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from clinragen.llm.tokens import CHAT_TOKENS, tokenizer_of


@pytest.fixture
def bytes_as_tokens(monkeypatch):
    """An encoding of OpenAI's kind, which needs no network: a token a byte."""
    encoding = tiktoken.Encoding(
        "bytes", pat_str=r"\S+|\s+", mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)


def words_as_tokens(directory: Path) -> Path:
    """A directory of a model whose tokenizer makes a token of each word."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.enable_truncation(3)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


def test_a_model_of_openai(bytes_as_tokens):
    tokenizer = tokenizer_of("gpt-3.5-turbo", [])
    assert tokenizer.name == "tiktoken cl100k_base" and tokenizer.exact
    assert tokenizer.count(["abc", "de"]) == 5 + 2 * CHAT_TOKENS


def test_text_that_looks_like_a_control_token_is_text(bytes_as_tokens):
    assert tokenizer_of("gpt-4", []).count(["<|endoftext|>"]) == 13 + CHAT_TOKENS


def test_a_local_model_counts_with_its_own_file_and_cuts_nothing(tmp_path, bytes_as_tokens):
    tokenizer = tokenizer_of("gpt-4", [tmp_path / "missing", words_as_tokens(tmp_path)])
    assert tokenizer.name == f"{tmp_path.name}/tokenizer.json"
    assert tokenizer.count(["one two three four", "five"]) == 5


def unreachable(name):
    raise OSError("no network")


@pytest.mark.parametrize("fetch", [unreachable, lambda name: time.sleep(30)], ids=["unreachable", "hangs"])
def test_without_network_the_rule_of_thumb_is_named(fetch, monkeypatch):
    monkeypatch.setattr(tiktoken, "get_encoding", fetch)
    monkeypatch.setattr("clinragen.llm.tokens.PATIENCE", 0.2)
    tokenizer = tokenizer_of("gpt-4", [])
    assert (
        tokenizer.name == "characters / 4, a rule of thumb; tiktoken cannot fetch cl100k_base" and not tokenizer.exact
    )


@given(st.lists(st.text()))
def test_the_rule_of_thumb_is_for_models_that_nobody_knows(texts):
    tokenizer = tokenizer_of("somebody/model-7b", [])
    assert not tokenizer.exact and tokenizer.count(texts) == sum(len(text) // 4 + 1 for text in texts)
