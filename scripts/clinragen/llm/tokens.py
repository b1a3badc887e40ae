"""Number of tokens of texts before they are sent, counted with the model's tokenizer if it is available."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinragen.llm.request import CHARACTERS_PER_TOKEN

# Tokens that OpenAI's chat format adds to a request with one message.
CHAT_TOKENS = 7
PATIENCE = 30.0  # seconds for tiktoken, which fetches an encoding once and has no time limit


@dataclass(frozen=True)
class Tokenizer:
    """A way to count tokens, and its name in reports."""

    name: str
    count: Callable[[list[str]], int]
    """Returns the sum over all texts."""
    exact: bool = True
    """False for a rule of thumb, and for a file, which does not include the model's chat template."""


def tokenizer_of(model: str, directories: Iterable[Path]) -> Tokenizer:
    """Return the tokenizer of a model: a `tokenizer.json`, otherwise tiktoken's, otherwise a rule of thumb.

    tiktoken fetches the encoding of an OpenAI model from the network once and stores it in TIKTOKEN_CACHE_DIR.
    """
    for path in (directory / "tokenizer.json" for directory in directories):
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
    """Return the tokenizer of a model that tiktoken supports, None for others."""
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    encodings: list[Any] = []

    def fetch() -> None:
        try:
            encodings.append(tiktoken.get_encoding(name))
        except (OSError, ValueError):
            return  # not reachable, or not valid

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not encodings:
        return _rule_of_thumb(f"; tiktoken cannot fetch {name}")

    def count(texts: list[str]) -> int:
        return sum(len(tokens) + CHAT_TOKENS for tokens in encodings[0].encode_ordinary_batch(texts))

    return Tokenizer(f"tiktoken {name}", count)


def _rule_of_thumb(reason: str = "") -> Tokenizer:
    def count(texts: list[str]) -> int:
        return sum(len(text) // CHARACTERS_PER_TOKEN + 1 for text in texts)

    return Tokenizer(f"characters / {CHARACTERS_PER_TOKEN}, a rule of thumb{reason}", count, exact=False)
