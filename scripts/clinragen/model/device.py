"""The device that a student computes on, and its precision."""

import os

import torch

from clinragen.errors import UserError


def prepare_device(device: str, precision: str, key: str) -> None:
    """Set how the GPU multiplies fp32 numbers, for the whole process; bf16 is left to autocast.

    UserError where the setting `key` asks for a GPU and PyTorch sees none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"{key} is cuda, but PyTorch sees no GPU here: request one from the cluster, check `nvidia-smi` and "
            "CUDA_VISIBLE_DEVICES, or set the key to cpu"
        )
    if device == "cuda":
        # Also set for fp32, because some containers start PyTorch with TF32.
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


def own_device(device: str) -> torch.device:
    """Return the device of this process: with `cuda`, the GPU that torchrun assigns to it."""
    return torch.device(device, int(os.environ.get("LOCAL_RANK", "0"))) if device == "cuda" else torch.device(device)
