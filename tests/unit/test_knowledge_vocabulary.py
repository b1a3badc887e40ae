"""Equation 5 on a small tokenizer of each kind."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from clinragen.knowledge.vocabulary import described, knowledge_ids, standard_ids

SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


def unigram() -> PreTrainedTokenizerFast:
    """Like T5's: pieces that carry the blank before a word."""
    pieces = ["<pad>", "</s>", "<unk>", "▁fever", "▁heart", "▁rate", "▁", "s", "▁other"]
    tokenizer = Tokenizer(models.Unigram([(p, -float(i)) for i, p in enumerate(pieces)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def bpe() -> PreTrainedTokenizerFast:
    """Like GPT's: another token for a word at the beginning of a text."""
    pieces = ["<pad>", "</s>", "<unk>", "h", "i", "Ġ", "hi", "Ġh", "Ġhi", "x"]
    merges = [("h", "i"), ("Ġ", "h"), ("Ġ", "hi")]
    tokenizer = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def test_tokens_of_the_terms_without_special_ones():
    tokenizer = unigram()
    ids = knowledge_ids(tokenizer, ["heart rate", "fevers", "Ω"])
    assert ids == sorted(ids) and not set(ids) & {0, 1, 2}
    assert {"▁heart", "▁rate", "▁fever", "s"} <= set(tokenizer.convert_ids_to_tokens(ids))
    assert "▁other" not in tokenizer.convert_ids_to_tokens(ids)
    assert set(ids) <= set(standard_ids(tokenizer))


def test_both_forms_of_a_word_count():
    tokenizer = bpe()
    assert tokenizer.convert_ids_to_tokens(knowledge_ids(tokenizer, ["hi"])) == ["hi", "Ġhi"]


@pytest.mark.parametrize("make", [unigram, bpe])
def test_the_standard_vocabulary_is_all_but_the_special_tokens(make):
    tokenizer = make()
    assert standard_ids(tokenizer) == list(range(3, len(tokenizer)))


def test_the_description_names_the_tokenizer_and_no_place():
    facts = described(unigram(), "flan-t5-small", "knowledge", [3, 4])
    assert (facts["ids"], facts["tokens"]) == ([3, 4], ["▁fever", "▁heart"])
    assert facts["tokenizer"]["tokens"] == 9 and len(facts["tokenizer"]["sha256"]) == 64
    assert facts["tokenizer"]["sha256"] != described(bpe(), "b", "k", [])["tokenizer"]["sha256"]
