"""Tokenizers: their identity, which a vocabulary file names, and the marks that they set around a text."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clinragen.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def identity_of(tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """What identifies a tokenizer: class, number of tokens, SHA-256 over its tokens and their ids."""
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
    """What it puts before a text: nothing for T5 and Qwen, one mark for OPT and LLaMA."""
    line_break: tuple[int, ...]
    end: int
    """What ends a text that a model writes."""
    padding: int
    """The end mark where the tokenizer has none for padding; masks hide it either way."""


def marks_of(tokenizer: "PreTrainedTokenizerBase") -> Marks:
    """The marks of a tokenizer; UserError if it lacks one that is needed, or cannot say where tokens come from."""
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
