"""A tiny text encoder in the shape of a BERT, with a tokenizer made of authored texts."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, BertTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MOST_PIECES = 1500
# As of clinical BERTs: this many tokens at most, letters in both cases.
POSITIONS = 512


def build_tokenizer(texts: Iterable[str]) -> BertTokenizer:
    """Return a WordPiece tokenizer in the form of BERT's; all ASCII characters are pieces.

    The pieces are those of a byte pair encoding, each at the beginning of a word and inside one, because training
    WordPiece numbers them differently every time.
    """
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.BertNormalizer(lowercase=False)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_PIECES, initial_alphabet=[chr(c) for c in range(33, 127)], show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    numbers = trained.get_vocab()
    pieces = sorted(numbers, key=lambda piece: numbers[piece])
    vocabulary = [*SPECIAL, *pieces, *(f"##{piece}" for piece in pieces)]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(vocabulary)}, do_lower_case=False)


def build_model(vocabulary_size: int, seed: int) -> BertModel:
    """Return a BERT with about 300,000 random parameters."""
    torch.manual_seed(seed)
    return BertModel(
        BertConfig(
            vocab_size=vocabulary_size,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=POSITIONS,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )


def build_encoder(texts: Iterable[str], directory: Path, seed: int) -> None:
    """Write model and tokenizer into a new directory, as `from_pretrained` expects them."""
    tokenizer = build_tokenizer(texts)
    build_model(len(tokenizer), seed).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
