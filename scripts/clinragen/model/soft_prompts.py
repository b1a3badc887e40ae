"""Soft prompts: learned vectors in front of each text, or in front of the inputs of encoder and decoder."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from clinragen.registry.features import CATEGORIES, NUMERIC

HIDDEN = 128
"""Width at which PromptEHR learns its vectors, before they are projected to that of the language model."""


class SoftPrompts(nn.Module):
    """Vectors [length, d] in front of each of some texts, as in EHR-KnowGen.

    They start as copies of the first rows of the embedding table (EHR-KnowGen's released code).
    """

    def __init__(self, texts: tuple[str, ...], length: int, embeddings: Tensor) -> None:
        super().__init__()
        self.length = length
        first = embeddings[:length].detach().float()
        self.vectors = nn.ParameterDict({name: nn.Parameter(first.clone()) for name in texts})

    def before(self, name: str, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Prepend the soft prompt of a text to its vectors [batch, length, d] and their mask."""
        prompt = self.vectors[name].to(vectors.dtype).expand(len(vectors), -1, -1)
        return torch.cat([prompt, vectors], 1), torch.cat([mask.new_ones(prompt.shape[:2]), mask], 1)


class NumericPrompt(nn.Module):
    """A vector (w x + b) P per number x; each number has its w and b [128], all share P [128, d].

    PromptEHR's conditional prompt for numeric features (Wang and Sun, 2022). Its code leaves b uninitialised; here it
    starts at zero.
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.slopes = nn.Parameter(nn.init.xavier_uniform_(torch.empty(count, HIDDEN)))
        self.offsets = nn.Parameter(torch.zeros(count, HIDDEN))
        self.projection = nn.Linear(HIDDEN, width, bias=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return vectors [batch, count, d] of the numbers [batch, count]."""
        return self.projection(self.slopes * numbers[..., None] + self.offsets)


class CategoricalPrompt(nn.Module):
    """A vector (e + b) P per category, with e [128] of the category and b [128] of the feature (also PromptEHR)."""

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.categories = nn.Embedding(sum(sizes), HIDDEN)
        self.offsets = nn.Parameter(torch.zeros(len(sizes), HIDDEN))
        self.projection = nn.Linear(HIDDEN, width, bias=False)
        self.first: Tensor
        self.register_buffer("first", torch.tensor([0, *sizes[:-1]]).cumsum(0), persistent=False)

    def forward(self, categories: Tensor) -> Tensor:
        """Return vectors [batch, features, d] of the categories [batch, features], counted within their feature."""
        return self.projection(self.categories(categories + self.first) + self.offsets)


class FreePrompt(nn.Module):
    """Vectors that are the same for all samples, in PromptEHR's parametrisation: those of numbers that are 1."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.numeric = NumericPrompt(length, width)

    def forward(self, inputs: Mapping[str, Tensor], count: int) -> Tensor:
        """Return the vectors [count, length, d]."""
        slopes = self.numeric.slopes
        return self.numeric(slopes.new_ones(1, len(slopes))).expand(count, -1, -1)


class ConditionalPrompt(nn.Module):
    """A vector per feature of a patient: age, sex and type of admission."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.numeric = NumericPrompt(len(NUMERIC), width)
        self.categorical = CategoricalPrompt(tuple(map(len, CATEGORIES.values())), width)

    def forward(self, inputs: Mapping[str, Tensor], count: int) -> Tensor:
        """Return vectors [count, features, d] of `numbers` [count, numeric ones] and `categories` [count, others]."""
        return torch.cat([self.numeric(inputs["numbers"]), self.categorical(inputs["categories"])], 1)


class PromptPair(nn.Module):
    """A prompt in front of the inputs of the encoder, and another one in front of those of the decoder."""

    def __init__(self, kind: str, length: int, width: int) -> None:
        super().__init__()
        self.length = length
        free = kind == "reparametrised"
        self.encoder, self.decoder = (FreePrompt(length, width) if free else ConditionalPrompt(width) for _ in range(2))
