"""Equation 6: lab vectors ask, words of the vocabulary answer."""

import math

import pytest
import torch
from torch import Tensor, nn
from toy_student import fusion

from clinragen.model.knowledge_attention import KnowledgeAttention, vocabulary_vectors

WORDS, MODEL, WIDTH, CHANNELS = 12, 20, 16, 3


def attention(prototypes: int, dropout: float = 0.0) -> KnowledgeAttention:
    torch.manual_seed(0)
    chosen = fusion(attention__prototypes=prototypes, attention__dropout=dropout).attention
    return KnowledgeAttention(chosen, WIDTH, torch.randn(WORDS, MODEL)).eval()


@pytest.fixture
def labs() -> Tensor:
    return torch.randn(2, CHANNELS, WIDTH, generator=torch.Generator().manual_seed(1))


def written_out(module: KnowledgeAttention, labs: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V per sample, channel and head, from the module's own weights."""

    def linear(layer: nn.Linear, x: Tensor) -> Tensor:
        return x @ layer.weight.T + layer.bias

    words = module.vocabulary if module.mixture is None else module.mixture.weight @ module.vocabulary
    keys, values = linear(module.key, words), linear(module.value, words)
    width = keys.shape[1] // module.heads
    rows = []
    for sample in labs:
        for lab in sample:
            query = linear(module.query, linear(module.project, lab))
            heads = []
            for head in range(module.heads):
                part = slice(head * width, (head + 1) * width)
                scores = keys[:, part] @ query[part] / math.sqrt(width)
                weights = scores.exp() / scores.exp().sum()
                heads.append(weights @ values[:, part])
            rows.append(linear(module.out, torch.cat(heads)))
    return torch.stack(rows).unflatten(0, labs.shape[:2])


@pytest.mark.parametrize("prototypes", [0, 4])
def test_it_is_the_softmax_attention_of_the_paper(prototypes, labs):
    module = attention(prototypes)
    assert module(labs).shape == (2, CHANNELS, MODEL)
    torch.testing.assert_close(module(labs), written_out(module, labs))


@pytest.mark.parametrize("prototypes", [0, 4])
def test_the_vocabulary_is_constant_and_saved(prototypes, labs):
    module = attention(prototypes)
    module(labs).sum().backward()
    assert not module.vocabulary.requires_grad and "vocabulary" in module.state_dict()
    assert "vocabulary" not in dict(module.named_parameters())
    assert all(p.grad is not None for p in module.parameters())


def test_without_prototypes_the_order_of_the_words_does_not_matter(labs):
    module = attention(0)
    before = module(labs)
    module.vocabulary.copy_(module.vocabulary.flip(0))
    torch.testing.assert_close(module(labs), before)


def test_prototypes_give_every_word_its_own_weight(labs):
    module = attention(4)
    before = module(labs)
    module.vocabulary.copy_(module.vocabulary.flip(0))
    assert not torch.allclose(module(labs), before)


def test_dropout_acts_in_training_only(labs):
    module = attention(4, dropout=0.5)
    assert torch.equal(module(labs), module(labs))
    module.train()
    assert not torch.equal(module(labs), module(labs))


def test_vectors_of_the_vocabulary_are_copies():
    embeddings = nn.Embedding(30, MODEL)
    found = vocabulary_vectors(embeddings, [5, 2])
    assert torch.equal(found, embeddings.weight[[5, 2]]) and not found.requires_grad
    module = KnowledgeAttention(fusion().attention, WIDTH, embeddings.weight)
    with torch.no_grad():
        embeddings.weight.zero_()
    assert module.vocabulary.abs().sum() > 0
