"""The loss of a batch, and its parts: diagnoses, rationale on the notes, rationale on the labs."""

import torch
from torch import Tensor
from torch.nn import functional

from clinragen.model.backbone import IGNORED
from clinragen.model.target_codec import SECTIONS
from clinragen.processes import distributed


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy [batch, length] of each target token; 0 where the label is padding."""
    return functional.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")


def token_weights(labels: Tensor, sections: Tensor, diagnoses: float) -> Tensor:
    """Return the weight [batch, length] of each target token: `diagnoses` in that section, 1 elsewhere; padding: 0."""
    return (labels != IGNORED) * torch.where(sections == 0, diagnoses, 1.0)


class SectionMeans:
    """Mean loss per target token over batches and processes: weighted over all tokens, and per section."""

    def __init__(self, diagnoses_weight: float, device: torch.device | str = "cpu") -> None:
        self._weights = torch.ones(len(SECTIONS), dtype=torch.double)
        self._weights[0] = diagnoses_weight
        self._nothing = torch.zeros(2, len(SECTIONS), device=device)
        self._sums = self._nothing

    def add(self, losses: Tensor, labels: Tensor, sections: Tensor) -> None:
        """Add a batch: losses, labels and sections [batch, length]."""
        kinds = torch.stack([(labels != IGNORED) & (sections == i) for i in range(len(SECTIONS))])
        self._sums = self._sums + torch.stack([(losses.detach() * kinds).sum((1, 2)), kinds.sum((1, 2))])

    def take(self, prefix: str = "") -> dict[str, float]:
        """Return the means since the last call: `<prefix>loss`, and `<prefix>loss_<section>` of those with tokens."""
        sums, self._sums = self._sums.double(), self._nothing
        # Processes without samples take part too, because the others wait for them.
        if distributed():
            torch.distributed.all_reduce(sums)
        total, count = (sums.cpu() * self._weights).sum(1).tolist()
        if not count:
            return {}
        named = zip(SECTIONS, sums.T.tolist(), strict=True)
        parts = {f"{prefix}loss_{name.replace(' ', '_')}": loss / tokens for name, (loss, tokens) in named if tokens}
        return {f"{prefix}loss": total / count} | parts
