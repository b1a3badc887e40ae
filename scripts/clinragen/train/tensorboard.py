"""TensorBoard events of a training: the numbers of its history, written while it runs."""

import os

from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback

from clinragen.errors import UserError
from clinragen.processes import main_process

DIRECTORY = "TENSORBOARD_LOGGING_DIR"
"""Environment variable with the directory of the events, as in transformers; empty or missing for none.

It is not an argument, because checkpoints belong to one command line, and a killed training may resume with events or
without them.
"""


def require_tensorboard() -> None:
    """Raise UserError if events are requested and the package that writes them is missing."""
    if os.environ.get(DIRECTORY):
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise UserError(
                "train.report_to is tensorboard, but the package tensorboard is missing: install what envs/train.yaml "
                "pins (`make setup`, or --sdm conda), or set train.report_to to none"
            ) from None


def event_writers(steps_done: int) -> list[TrainerCallback]:
    """Return the Trainer's callback that writes events, in the main process and if they are requested.

    Events of earlier attempts after `steps_done` are discarded, so that a resumed training has one curve.
    """
    directory = os.environ.get(DIRECTORY)
    if not directory or not main_process():
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(directory, purge_step=steps_done + 1 if steps_done else 0))]
