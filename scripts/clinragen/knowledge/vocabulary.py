"""The vocabulary V^k that the knowledge-augmented attention sees: equation 5."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedTokenizerBase

from clinragen.registry.tokenizer import identity_of


@dataclass
class Origin:
    """The terms and phenotypes that brought a token into the vocabulary."""

    terms: set[str] = field(default_factory=set)
    phenotypes: set[str] = field(default_factory=set)


def token_ids(tokenizer: PreTrainedTokenizerBase, forms: Iterable[str]) -> dict[str, frozenset[int]]:
    """Return the ids of the tokens that occur in each wording, special tokens left out.

    A wording counts both at the beginning of a text and within it, which tokenizers of the GPT kind distinguish.
    """
    forms, special = sorted(set(forms)), set(tokenizer.all_special_ids)
    if not forms:
        return {}
    first = tokenizer(forms, add_special_tokens=False)["input_ids"]
    later = tokenizer([f" {form}" for form in forms], add_special_tokens=False)["input_ids"]
    return {f: frozenset(a + b) - special for f, a, b in zip(forms, first, later, strict=True)}


def origins(tokenizer: PreTrainedTokenizerBase, terms: list[dict[str, Any]]) -> dict[int, Origin]:
    """Return the origin of each token in the wordings of the key terms (rows of TERMS), by id."""
    ids = token_ids(tokenizer, (form for term in terms for form in term["forms"]))
    found: dict[int, Origin] = {}
    for term in terms:
        for token in {i for form in term["forms"] for i in ids[form]}:
            origin = found.setdefault(token, Origin())
            origin.terms.add(term["term"])
            origin.phenotypes.add(term["phenotype"])
    return dict(sorted(found.items()))


def standard_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of all tokens except the special ones, ascending (the ablation w/o KNOW)."""
    return sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))


def described(
    tokenizer: PreTrainedTokenizerBase, backbone: str, vocabulary: str, ids: list[int], found: dict[int, Origin]
) -> str:
    """Return the vocabulary as JSON, one line per token, with the identity of the tokenizer whose ids it holds."""
    facts = {"backbone": backbone, "vocabulary": vocabulary, "tokenizer": identity_of(tokenizer), "ids": ids}
    tokens = [
        {"id": i, "token": token} | ({name: sorted(x) for name, x in vars(found[i]).items()} if i in found else {})
        for i, token in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)
    ]
    head = json.dumps(facts, ensure_ascii=False).removesuffix("}")
    lines = ",\n".join(json.dumps(token, ensure_ascii=False) for token in tokens)
    return f'{head}, "tokens": [\n{lines}\n]}}\n'
