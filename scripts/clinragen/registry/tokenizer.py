"""Tokenizers: their identity, as in a vocabulary file, and the marks that they add to a text."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clinragen.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def identity_of(tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """Return the identity of a tokenizer: class, number of tokens, SHA-256 over its tokens and their ids."""
    pairs = json.dumps(sorted(tokenizer.get_vocab().items()))
    return {
        "class": type(tokenizer).__name__,
        "tokens": len(tokenizer),
        "sha256": hashlib.sha256(pairs.encode()).hexdigest(),
    }


@dataclass(frozen=True)
class Marks:
    """Ids of the marks of a tokenizer."""

    start: tuple[int, ...]
    """Marks before a text: none for T5 and Qwen, one for OPT and LLaMA."""
    line_break: tuple[int, ...]
    end: int
    """Mark that ends an output."""
    padding: int
    """The end mark if the tokenizer has no padding mark; masks hide it either way."""


def marks_of(tokenizer: "PreTrainedTokenizerBase") -> Marks:
    """Return the marks of a tokenizer; UserError if it has no end mark, or cannot map tokens to characters."""
    if not tokenizer.is_fast:
        raise UserError(
            f"{tokenizer.name_or_path}: the tokenizer cannot map tokens to characters; save a tokenizer.json with it"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"{tokenizer.name_or_path}: the tokenizer has no end mark; set eos_token in its tokenizer_config.json"
        )
    marked, plain = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (True, False))
    before = next(i for i in range(len(marked)) if marked[i : i + len(plain)] == plain)
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    line_break = tokenizer("\n", add_special_tokens=False)["input_ids"]
    return Marks(tuple(marked[:before]), tuple(line_break), tokenizer.eos_token_id, padding)
