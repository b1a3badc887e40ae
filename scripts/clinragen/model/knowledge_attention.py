"""The knowledge-augmented attention (KA): lab vectors re-expressed in words of a vocabulary."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clinragen.config.student import Attention as Settings


class KnowledgeAttention(nn.Module):
    """Multi-head cross-attention; queries are lab vectors, keys and values vocabulary vectors (equation 6).

    `vocabulary` [n, d] are the language model's embeddings of V^k as phase 1 left them: constants. With
    prototypes they are first mixed into that many learned vectors, as in the released code.
    """

    def __init__(self, settings: Settings, series_width: int, vocabulary: Tensor) -> None:
        super().__init__()
        n, d = vocabulary.shape
        inner = settings.heads * settings.head_width
        self.heads, self.dropout = settings.heads, settings.dropout
        self.vocabulary: Tensor
        self.register_buffer("vocabulary", vocabulary.detach().clone())
        self.mixture = nn.Linear(n, settings.prototypes, bias=False) if settings.prototypes else None
        self.project = nn.Linear(series_width, d)
        self.query = nn.Linear(d, inner)
        self.key = nn.Linear(d, inner)
        self.value = nn.Linear(d, inner)
        self.out = nn.Linear(inner, d)

    def forward(self, series: Tensor) -> Tensor:
        """Turn lab vectors [batch, tokens, width] into tokens [batch, tokens, d] of the language model."""
        words = self.vocabulary.to(series.dtype)
        if self.mixture is not None:
            words = self.mixture(words.T).T
        query = self._split(self.query(self.project(series)))
        key, value = self._split(self.key(words)[None]), self._split(self.value(words)[None])
        size = (len(series), -1, -1, -1)
        attended = functional.scaled_dot_product_attention(
            query, key.expand(size), value.expand(size), dropout_p=self.dropout if self.training else 0.0
        )
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, vectors: Tensor) -> Tensor:
        """Reshape [batch, length, inner] to [batch, heads, length, head_width]."""
        return vectors.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def vocabulary_vectors(embeddings: nn.Embedding, token_ids: list[int]) -> Tensor:
    """Return the vectors [n, d] of the tokens of a vocabulary."""
    return embeddings.weight.detach()[torch.tensor(token_ids)].float()
