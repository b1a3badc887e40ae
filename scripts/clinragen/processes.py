"""The processes of a distributed step (torchrun sets RANK)."""

import os


def distributed() -> bool:
    """Whether this process is one of several of the same step."""
    return "RANK" in os.environ


def main_process() -> bool:
    """Whether this process commits the outputs: exactly one of a step does."""
    return os.environ.get("RANK", "0") == "0"
