"""A tiny language model in the shape of Flan-T5, with a tokenizer and lessons made of authored texts."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import T5Config, T5ForConditionalGeneration, T5TokenizerFast

log = logging.getLogger("demo.backbone")
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
SENTINELS = 100
MOST_PIECES = 1500
# How the lessons are taught: passes over them, lessons per step, peak learning rate.
PASSES, BATCH, LEARNING_RATE = 5, 32, 3e-3
IGNORED = -100


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


def teach(
    model: T5ForConditionalGeneration, tokenizer: T5TokenizerFast, lessons: Sequence[tuple[str, str]], seed: int
) -> float:
    """Train the model in place to answer each lesson's first text by its second; the mean loss of the last pass."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    steps = PASSES * math.ceil(len(lessons) / BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    model.train()
    losses: list[float] = []
    for _ in range(PASSES):
        losses = []
        for chosen in torch.randperm(len(lessons), generator=random).split(BATCH):
            questions, answers = zip(*(lessons[i] for i in chosen.tolist()), strict=True)
            asked = tokenizer(list(questions), padding=True, return_tensors="pt")
            answered = tokenizer(list(answers), padding=True, return_tensors="pt")
            labels = answered.input_ids.masked_fill(answered.attention_mask == 0, IGNORED)
            loss = model(**asked, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return sum(losses) / len(losses)


def build_student(texts: Iterable[str], lessons: Sequence[tuple[str, str]], folder: Path, seed: int) -> None:
    """Write model and tokenizer into a new folder, as `from_pretrained` expects them."""
    tokenizer = build_tokenizer([*texts, *(text for lesson in lessons for text in lesson)])
    model = build_model(len(tokenizer), seed)
    if lessons:
        log.info("%d lessons: loss %.3f", len(lessons), teach(model, tokenizer, lessons, seed))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
