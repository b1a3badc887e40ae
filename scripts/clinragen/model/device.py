"""What a student computes on."""

import torch

from clinragen.errors import UserError


def require_device(device: str, key: str) -> None:
    """Raise UserError where the setting `key` asks for a GPU and PyTorch sees none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"{key} is cuda, but PyTorch sees no GPU here: request one from the cluster, check `nvidia-smi` and "
            "CUDA_VISIBLE_DEVICES, or set the key to cpu"
        )
