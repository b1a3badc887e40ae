"""The processes of a distributed step (torchrun sets RANK)."""

import os
from collections.abc import Callable
from typing import Any


def distributed() -> bool:
    """Whether this process is one of several of the same step."""
    return "RANK" in os.environ


def main_process() -> bool:
    """Whether this process commits the outputs: exactly one of a step does."""
    return os.environ.get("RANK", "0") == "0"


def of_main_process(make: Callable[[], Any]) -> Any:
    """What the main process makes, in every process: they may see a network file system at different times."""
    made = [make() if main_process() else None]
    if distributed():
        import torch

        torch.distributed.broadcast_object_list(made)
    return made[0]
