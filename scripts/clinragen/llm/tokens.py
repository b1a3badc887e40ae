"""Tokens of texts before they are sent, counted with the model's own tokenizer where there is one."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHARACTERS_PER_TOKEN = 4
# What OpenAI's chat format adds to a request with one message.
CHAT_TOKENS = 7
PATIENCE = 30.0  # seconds for tiktoken, which fetches an encoding once and waits for it without limit


@dataclass(frozen=True)
class Tokenizer:
    """A way to count tokens, and its name for people."""

    name: str
    count: Callable[[list[str]], int]
    """Tokens of all texts together."""
    exact: bool = True
    """False for a rule of thumb, and for a file, which does not count what the model's chat template adds."""


def tokenizer_of(model: str, folders: Iterable[Path]) -> Tokenizer:
    """The tokenizer of a model: `tokenizer.json` in one of the folders, else tiktoken's, else a rule of thumb.

    tiktoken fetches the encoding of a model of OpenAI from the network once; TIKTOKEN_CACHE_DIR names where it is kept.
    """
    for path in (folder / "tokenizer.json" for folder in folders):
        if path.is_file():
            return _of_file(path)
    return _of_openai(model) or _rule_of_thumb()


def _of_file(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer as FromFile

    tokenizer = FromFile.from_file(str(path))
    tokenizer.no_truncation()

    def count(texts: list[str]) -> int:
        return sum(len(encoded.ids) for encoded in tokenizer.encode_batch(texts, add_special_tokens=True))

    return Tokenizer(f"{path.parent.name}/{path.name}", count, exact=False)


def _of_openai(model: str) -> Tokenizer | None:
    """None for a model that tiktoken does not know."""
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    found: list[Any] = []

    def fetch() -> None:
        try:
            found.append(tiktoken.get_encoding(name))
        except (OSError, ValueError):
            return  # not reachable, or not what it should be

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not found:
        return _rule_of_thumb(f"; tiktoken cannot fetch {name}")

    def count(texts: list[str]) -> int:
        return sum(len(tokens) + CHAT_TOKENS for tokens in found[0].encode_ordinary_batch(texts))

    return Tokenizer(f"tiktoken {name}", count)


def _rule_of_thumb(reason: str = "") -> Tokenizer:
    def count(texts: list[str]) -> int:
        return sum(len(text) // CHARACTERS_PER_TOKEN + 1 for text in texts)

    return Tokenizer(f"characters / {CHARACTERS_PER_TOKEN}, a rule of thumb{reason}", count, exact=False)
