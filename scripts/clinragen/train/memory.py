"""Find the number of tokens that fit into the memory of a GPU at once."""

import logging
from collections.abc import Callable

import torch
from torch import nn

from clinragen.errors import UserError
from clinragen.train.batches import Steps

log = logging.getLogger("train")
BYTES_OF_OPTIMIZER = 16
"""Per trained parameter: both moments of AdamW, a second copy of the gradient for exchange between processes, and
DeepSpeed's copy of the weight."""


def fit(steps: Steps, student: nn.Module, device: torch.device, run: Callable[[list[int]], None]) -> None:
    """Halve the maximum of tokens of a micro-batch until the largest micro-batches fit into the memory of the device.

    `run` runs a micro-batch forward and backward; the memory that the optimizer will need is kept free. The student
    and all random states are unchanged afterwards. UserError if a single sample does not fit.
    """
    buffers = {name: buffer.clone() for name, buffer in student.named_buffers()}
    kept_free = BYTES_OF_OPTIMIZER * sum(p.numel() for p in student.parameters() if p.requires_grad)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        while not _fits(parts := steps.largest(), run, kept_free, device):
            if max(map(len, parts)) == 1:
                raise UserError(
                    f"the memory of the GPU does not suffice for one sample of {steps.sizes.padded(parts[0])} tokens: "
                    "shorten student.texts, or choose a smaller language model or a GPU with more memory"
                )
            steps.most_tokens = max(map(steps.sizes.padded, parts)) // 2
            log.warning("a micro-batch has at most %d tokens: more do not fit into memory", steps.most_tokens)
    student.zero_grad(set_to_none=True)
    for name, buffer in student.named_buffers():
        buffer.copy_(buffers[name])


def _fits(parts: list[list[int]], run: Callable[[list[int]], None], kept_free: int, device: torch.device) -> bool:
    try:
        optimizer = torch.empty(kept_free, dtype=torch.uint8, device=device)
        for part in parts:
            run(part)
        del optimizer
    except torch.cuda.OutOfMemoryError:
        fits = False
    else:
        fits = True
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return fits
