"""What a student computes on, and in which numbers."""

import os

import torch

from clinragen.errors import UserError


def prepare_device(device: str, precision: str, key: str) -> None:
    """Set how the GPU multiplies numbers of fp32, for the whole process; bf16 is autocast's business.

    UserError where the setting `key` asks for a GPU and PyTorch sees none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"{key} is cuda, but PyTorch sees no GPU here: request one from the cluster, check `nvidia-smi` and "
            "CUDA_VISIBLE_DEVICES, or set the key to cpu"
        )
    if device == "cuda":
        # Said for fp32, too: some containers start PyTorch with TF32.
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


def own_device(device: str) -> torch.device:
    """The device of this process: with `cuda`, the GPU that torchrun numbers for it."""
    return torch.device(device, int(os.environ.get("LOCAL_RANK", "0"))) if device == "cuda" else torch.device(device)
