"""TensorBoard events of a training: the numbers of its history, written while it runs."""

import os

from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback

from clinragen.errors import UserError
from clinragen.processes import main_process

FOLDER = "TENSORBOARD_LOGGING_DIR"
"""Environment variable with the folder of the events, as in transformers; empty or missing for none.

No argument: checkpoints fit one command line, and a training that was killed resumes with events or without.
"""


def require_tensorboard() -> None:
    """Raise UserError if events are asked for and the package that writes them is missing."""
    if os.environ.get(FOLDER):
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise UserError(
                "train.report_to is tensorboard, but the package tensorboard is missing: install what envs/train.yaml "
                "pins (`make setup`, or --sdm conda), or set train.report_to to none"
            ) from None


def event_writers(steps_done: int) -> list[TrainerCallback]:
    """The Trainer's callback that writes events, in the main process if they are asked for; else nothing.

    What earlier attempts wrote of steps after `steps_done` is void, so that a resumed training has one curve.
    """
    folder = os.environ.get(FOLDER)
    if not folder or not main_process():
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(folder, purge_step=steps_done + 1 if steps_done else 0))]
