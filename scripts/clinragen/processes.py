"""The processes of a distributed step (torchrun sets RANK)."""

import os


def distributed() -> bool:
    """Return whether a launcher started this process as part of a step."""
    return "RANK" in os.environ


def main_process() -> bool:
    """Return whether this process commits the outputs: exactly one process of a step does."""
    return os.environ.get("RANK", "0") == "0"
