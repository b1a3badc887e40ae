"""Tiny language models shaped like Flan-T5, OPT, Qwen2.5 and LLaMA, with tokenizers made of authored texts."""

import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.nn import functional
from transformers import (
    GPT2Tokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from clinragen.model.backbone import IGNORED, Backbone, adapter_of
from clinragen.registry.tokenizer import marks_of

log = logging.getLogger("demo.backbone")
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
SENTINELS = 100
MOST_PIECES = 1500
# Training on the lessons: passes over them, lessons per step, peak learning rate.
PASSES, BATCH, LEARNING_RATE = 5, 32, 3e-3


def build_tokenizer(texts: Iterable[str], shape: str = "tiny") -> PreTrainedTokenizerBase:
    """Return a tokenizer like that of Flan-T5, OPT (`tiny-opt`), Qwen2.5 (`tiny-qwen`) or LLaMA (`tiny-llama`)."""
    match shape:
        case "tiny-opt":
            # As of OPT: texts begin with the mark that ends them.
            vocabulary, merges = _byte_pairs(texts, ["<s>", PAD, END])
            return GPT2Tokenizer(
                vocab=vocabulary,
                merges=merges,
                bos_token=END,
                eos_token=END,
                unk_token=END,
                pad_token=PAD,
                add_bos_token=True,
            )
        case "tiny-qwen":
            vocabulary, merges = _byte_pairs(texts, ["<|endoftext|>"])
            return Qwen2Tokenizer(vocab=vocabulary, merges=merges)
        case "tiny-llama":
            return _llama_tokenizer(texts)
    return _t5_tokenizer(texts)


def _llama_tokenizer(texts: Iterable[str]) -> LlamaTokenizer:
    """Return a byte pair encoding that begins with a mark, falls back to bytes, and has no mark for padding."""
    trained = Tokenizer(models.BPE(byte_fallback=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_PIECES,
        special_tokens=[UNKNOWN, "<s>", END, *(f"<0x{byte:02X}>" for byte in range(256))],
        initial_alphabet=["▁", *(chr(c) for c in range(33, 127))],
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    vocabulary, merges = _vocabulary_and_merges(trained)
    return LlamaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True)


# Pairs, as the tokenizers library takes them; the annotations of transformers allow texts only.
Merges = Any


def _byte_pairs(texts: Iterable[str], special: list[str]) -> tuple[dict[str, int], Merges]:
    """Return vocabulary and merges of a byte-level byte pair encoding, the special tokens first."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_PIECES, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    return _vocabulary_and_merges(trained)


def _vocabulary_and_merges(trained: Tokenizer) -> tuple[dict[str, int], Merges]:
    model = json.loads(trained.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _t5_tokenizer(texts: Iterable[str]) -> T5Tokenizer:
    """Return a Unigram tokenizer in the form of T5's, for text of any kind: all ASCII characters are pieces.

    The pieces are those of a byte pair encoding, because training a Unigram model gives different scores every time.
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
    numbers = trained.get_vocab()
    pieces = sorted(numbers, key=lambda piece: numbers[piece])
    special = {PAD, END, UNKNOWN}
    scores = [0.0 if p in special else math.log((counts[p] + 1) / (counts.total() + len(pieces))) for p in pieces]
    # In descending order of the sentinels; ascending ones are reversed on loading.
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(SENTINELS))]
    vocabulary = list(zip(pieces, scores, strict=True)) + [(s, 0.0) for s in sentinels]
    return T5Tokenizer(vocab=vocabulary, extra_ids=SENTINELS)


def build_model(vocabulary_size: int, seed: int, shape: str = "tiny") -> PreTrainedModel:
    """Return a model with 200,000 to 400,000 random parameters; OPT and Qwen2.5 tie their output layer."""
    torch.manual_seed(seed)
    # Not annotated precisely: the configurations take each key from a different union of types.
    size: dict[str, Any] = {
        "vocab_size": vocabulary_size,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
    }
    match shape:
        case "tiny-opt":
            size |= {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2}
            return OPTForCausalLM(OPTConfig(**size, word_embed_proj_dim=64, ffn_dim=128, dropout=0.0))
        case "tiny-qwen":
            size |= {"num_key_value_heads": 2, "intermediate_size": 128, "tie_word_embeddings": True}
            return Qwen2ForCausalLM(Qwen2Config(**size, bos_token_id=0, eos_token_id=0))
        case "tiny-llama":
            size |= {"intermediate_size": 128, "max_position_embeddings": 4096}
            return LlamaForCausalLM(LlamaConfig(**size, bos_token_id=1, eos_token_id=2))
    return _t5(vocabulary_size)


def _t5(vocabulary_size: int) -> T5ForConditionalGeneration:
    # Keys that T5Config takes, but does not declare. transformers reads from the second that outputs are not scaled.
    undeclared: dict[str, Any] = {"decoder_start_token_id": 0, "tie_word_embeddings": False}
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
            **undeclared,
        )
    )
    # Untied output layer: on loading, transformers ties it again if its values are those of the embeddings.
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.05)
    return model


def teach(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, lessons: Sequence[tuple[str, str]], seed: int
) -> float:
    """Train the model in place to continue each lesson's first text with its second.

    Return the mean loss of the last pass.
    """
    random = torch.Generator().manual_seed(seed)
    adapter = adapter_of(model, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    steps = PASSES * math.ceil(len(lessons) / BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    model.train()
    losses: list[float] = []
    for _ in range(PASSES):
        losses = []
        for batch in torch.randperm(len(lessons), generator=random).split(BATCH):
            loss = lesson_loss(adapter, tokenizer, [lessons[i] for i in batch.tolist()])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return sum(losses) / len(losses)


def lesson_loss(
    adapter: Backbone, tokenizer: PreTrainedTokenizerBase, lessons: Sequence[tuple[str, str]]
) -> torch.Tensor:
    """Return the mean loss per token of the lessons' second texts."""
    questions, answers = zip(*lessons, strict=True)
    marks, pad = marks_of(tokenizer), partial(torch.nn.utils.rnn.pad_sequence, batch_first=True)
    asked = [torch.tensor(ids[len(marks.start) :]) for ids in tokenizer(list(questions))["input_ids"]]
    answered = tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    mask = pad([torch.ones_like(ids) for ids in asked])
    labels = pad([torch.tensor([*ids, marks.end]) for ids in answered], padding_value=IGNORED)
    vectors = adapter.model.get_input_embeddings()(pad(asked, padding_value=marks.padding))
    logits = adapter.logits(*adapter.prompt(vectors, mask), labels)
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def build_student(
    texts: Iterable[str], lessons: Sequence[tuple[str, str]], directory: Path, seed: int, shape: str
) -> None:
    """Write model and tokenizer of a shape into a new directory, as `from_pretrained` expects them."""
    tokenizer = build_tokenizer([*texts, *(text for lesson in lessons for text in lesson)], shape)
    model = build_model(len(tokenizer), seed, shape)
    if lessons:
        log.info("%d lessons: loss %.3f", len(lessons), teach(model, tokenizer, lessons, seed))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
