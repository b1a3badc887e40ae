"""The vocabulary V^k that the knowledge-augmented attention sees: equation 5."""

from typing import Any

from transformers import PreTrainedTokenizerBase

from clinragen.registry.tokenizer import identity_of


def knowledge_ids(tokenizer: PreTrainedTokenizerBase, terms: list[str]) -> list[int]:
    """Ids of the tokens that occur in the terms, special tokens left out, ascending.

    A term counts both at the beginning of a text and within it, which tokenizers of the GPT kind tell apart.
    """
    texts = sorted({form for term in terms for form in (term, f" {term}")})
    found = {i for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for i in ids}
    return sorted(found - set(tokenizer.all_special_ids))


def standard_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of all tokens but the special ones, ascending (the ablation w/o KNOW)."""
    return sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))


def described(tokenizer: PreTrainedTokenizerBase, backbone: str, vocabulary: str, ids: list[int]) -> dict[str, Any]:
    """The vocabulary with the identity of the tokenizer whose ids it holds."""
    return {
        "backbone": backbone,
        "vocabulary": vocabulary,
        "tokenizer": identity_of(tokenizer),
        "ids": ids,
        "tokens": tokenizer.convert_ids_to_tokens(ids),
    }
