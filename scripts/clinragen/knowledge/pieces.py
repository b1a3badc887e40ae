"""Pieces of words in V^k that say little: those that spell a stop word, and single characters."""

from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from clinragen.config.knowledge import Vocabulary


@dataclass(frozen=True)
class Pieces:
    """The tokens that a switch may leave out."""

    stop_words: frozenset[int]
    one_letter: frozenset[int]


def pieces(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int], stop_words: frozenset[str]) -> Pieces:
    """Return the tokens that spell a stop word of two or more letters, and those of at most one character."""
    spelt = {i: str(tokenizer.decode([i])).strip().lower() for i in ids}
    return Pieces(
        frozenset(i for i, text in spelt.items() if len(text) > 1 and text in stop_words),
        frozenset(i for i, text in spelt.items() if len(text) <= 1),
    )


def left_out(found: Pieces, settings: Vocabulary) -> frozenset[int]:
    """Return the tokens that the settings leave out of V^k."""
    nothing: frozenset[int] = frozenset()
    stop_words = nothing if settings.stop_word_pieces else found.stop_words
    return stop_words | (nothing if settings.one_letter_pieces else found.one_letter)
