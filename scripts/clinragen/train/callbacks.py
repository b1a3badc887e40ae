"""Callbacks of a training: progress in the log, its time, and early stopping."""

import logging
import time

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from clinragen.processes import main_process

log = logging.getLogger("train")
SECONDS_BETWEEN_LINES = 60.0
SECONDS = "seconds"


class ProgressLogger(TrainerCallback):
    """Log one line per epoch, and once a minute the step."""

    SHOWN = ("loss", "eval_loss", "eval_f1", "grad_norm", "learning_rate")

    def __init__(self) -> None:
        self.logged_at = time.monotonic()

    def on_step_end(self, args, state, control, **_) -> None:
        if main_process() and time.monotonic() - self.logged_at > SECONDS_BETWEEN_LINES:
            self.logged_at = time.monotonic()
            log.info("step %d of at most %d", state.global_step, state.max_steps)

    def on_log(self, args, state, control, logs=None, **_) -> None:
        shown = {k: round(v, 4) for k, v in (logs or {}).items() if k in self.SHOWN}
        if shown and main_process():
            log.info("epoch %.1f of %d, step %d: %s", state.epoch or 0, args.num_train_epochs, state.global_step, shown)


class Clock(TrainerCallback, ExportableState):
    """Keep in each checkpoint the seconds until then, those of earlier attempts included."""

    def __init__(self, earlier: float) -> None:
        self.started = time.monotonic() - earlier

    def state(self) -> dict:
        """Return the state in the form that the Trainer saves."""
        return {"args": {}, "attributes": {SECONDS: round(time.monotonic() - self.started, 3)}}


class ResumableEarlyStopping(TrainerCallback):
    """Stop when validation has shown no progress for long enough, decided from the history alone.

    The counter of transformers' EarlyStoppingCallback restarts at 0 after a resume, so a killed run would train longer
    than an uninterrupted one.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args, state, control, **_) -> None:
        control.should_training_stop |= out_of_patience(state.log_history, self.patience)


def merit(row: dict, selection: str) -> tuple[float, ...]:
    """Return what the weights of a validated epoch are selected by; the higher of two is better.

    A frozen language model may write the same diagnoses for epochs while its loss falls, so the loss breaks ties of F1.
    """
    return (row["eval_f1"], -row["eval_loss"]) if selection == "f1" else (-row["eval_loss"],)


def out_of_patience(history: list[dict], patience: int) -> bool:
    """Return whether the last `patience` validations have neither a lower loss nor a higher F1 than those before."""
    rows = [row for row in history if "eval_loss" in row]
    if len(rows) <= patience:
        return False
    before, after = rows[:-patience], rows[-patience:]
    lower = min(r["eval_loss"] for r in after) < min(r["eval_loss"] for r in before)
    return not lower and max(r["eval_f1"] for r in after) <= max(r["eval_f1"] for r in before)
