"""The identity of a tokenizer, which a vocabulary file names and its readers compare."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

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
