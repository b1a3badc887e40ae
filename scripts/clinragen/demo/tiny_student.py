"""A random language model in the shape of Flan-T5, with a tokenizer trained on authored texts."""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import T5Config, T5ForConditionalGeneration, T5TokenizerFast

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
SENTINELS = 100
MOST_PIECES = 1500


def build_tokenizer(texts: Iterable[str]) -> T5TokenizerFast:
    """A Unigram tokenizer in the form of T5's, for text of any kind: all ASCII characters are pieces.

    The pieces are those of a byte pair encoding, since training a Unigram model gives other scores every time.
    """
    texts = list(texts)
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_PIECES,
        special_tokens=[PAD, END, UNKNOWN],
        initial_alphabet=["▁", *(chr(c) for c in range(33, 127))],
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    counts = Counter(piece for encoding in trained.encode_batch(texts) for piece in encoding.tokens)
    pieces = sorted(trained.get_vocab(), key=trained.token_to_id)
    special = {PAD, END, UNKNOWN}
    scores = [0.0 if p in special else math.log((counts[p] + 1) / (counts.total() + len(pieces))) for p in pieces]
    # In descending order of the sentinels; ascending ones are reversed on loading.
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(SENTINELS))]
    vocabulary = list(zip(pieces, scores, strict=True)) + [(s, 0.0) for s in sentinels]
    return T5TokenizerFast(vocab=vocabulary, extra_ids=SENTINELS)


def build_model(vocabulary_size: int, seed: int) -> T5ForConditionalGeneration:
    """A gated T5 of some 400,000 random parameters with its own output layer, as Flan-T5 has."""
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary_size,
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_decoder_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=0,
            # Flan-T5's outputs are not scaled; transformers reads that from this key.
            tie_word_embeddings=False,
        )
    )
    # An output layer of its own: transformers ties it again on loading if its values are the embeddings'.
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.05)
    return model


def build_student(texts: Iterable[str], folder: Path, seed: int) -> None:
    """Write model and tokenizer into a new folder, as `from_pretrained` expects them."""
    tokenizer = build_tokenizer(texts)
    build_model(len(tokenizer), seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
