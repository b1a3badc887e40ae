"""Soft prompts: vectors that are learned, before each text that a language model reads."""

import torch
from torch import Tensor, nn


class SoftPrompts(nn.Module):
    """As many vectors [length, d] before each of some texts as in EHR-KnowGen.

    They start as copies of the first rows of the embedding table (EHR-KnowGen's released code).
    """

    def __init__(self, texts: tuple[str, ...], length: int, embeddings: Tensor) -> None:
        super().__init__()
        self.length = length
        first = embeddings[:length].detach().float()
        self.vectors = nn.ParameterDict({name: nn.Parameter(first.clone()) for name in texts})

    def before(self, name: str, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [batch, length, d] of a text and their mask, after its soft prompt."""
        prompt = self.vectors[name].to(vectors.dtype).expand(len(vectors), -1, -1)
        return torch.cat([prompt, vectors], 1), torch.cat([mask.new_ones(prompt.shape[:2]), mask], 1)
