"""What happens between the steps of a training: lines of progress, and the end where nothing gets better."""

import logging
import time

from transformers import TrainerCallback

from clinragen.processes import main_process

log = logging.getLogger("train")
SECONDS_BETWEEN_LINES = 60.0


class ProgressLogger(TrainerCallback):
    """Log one line per epoch, and in long epochs how far it is."""

    SHOWN = ("loss", "eval_loss", "eval_f1", "grad_norm", "learning_rate")

    def __init__(self) -> None:
        self.logged_at = time.monotonic()

    def on_step_end(self, args, state, control, **_) -> None:  # type: ignore[no-untyped-def]
        if main_process() and time.monotonic() - self.logged_at > SECONDS_BETWEEN_LINES:
            self.logged_at = time.monotonic()
            log.info("step %d of at most %d", state.global_step, state.max_steps)

    def on_log(self, args, state, control, logs=None, **_) -> None:  # type: ignore[no-untyped-def]
        shown = {k: round(v, 4) for k, v in (logs or {}).items() if k in self.SHOWN}
        if shown and main_process():
            log.info("epoch %.1f of %d, step %d: %s", state.epoch or 0, args.num_train_epochs, state.global_step, shown)


class ResumableEarlyStopping(TrainerCallback):
    """Stop when the validation split has shown no progress for long enough, decided from the history alone.

    The counter of transformers' EarlyStoppingCallback starts at 0 again after a resume, so that a killed run
    would train longer than one that was left alone.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args, state, control, **_) -> None:  # type: ignore[no-untyped-def]
        control.should_training_stop |= out_of_patience(state.log_history, self.patience)


def out_of_patience(history: list[dict], patience: int) -> bool:
    """Whether the last `patience` validations have neither a lower loss nor a higher F1 than those before them."""
    rows = [row for row in history if "eval_loss" in row]
    if len(rows) <= patience:
        return False
    before, after = rows[:-patience], rows[-patience:]
    lower = min(r["eval_loss"] for r in after) < min(r["eval_loss"] for r in before)
    return not lower and max(r["eval_f1"] for r in after) <= max(r["eval_f1"] for r in before)
