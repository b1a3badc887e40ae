"""The vocabulary file that stage knowledge writes (V^k of equation 5)."""

import json
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from clinragen.errors import UserError
from clinragen.registry.tokenizer import identity_of


def read_vocabulary(path: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Read the token ids of the vocabulary, ascending; UserError if it is empty or made with another tokenizer."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        ids, made_with = facts["ids"], facts["tokenizer"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a readable vocabulary: {error!r}; run rule knowledge_vocabulary again") from None
    if made_with != (own := identity_of(tokenizer)):
        raise UserError(
            f"{path}: made with another tokenizer ({made_with} instead of {own}), so its ids mean other tokens; "
            "run rule knowledge_vocabulary again"
        )
    if not ids:
        raise UserError(f"{path}: contains no token; check the terms of the knowledge texts (terms.csv)")
    if not 0 <= min(ids) <= max(ids) < len(tokenizer):
        raise UserError(f"{path}: ids from {min(ids)} to {max(ids)}, but the tokenizer has {len(tokenizer)} tokens")
    return ids
