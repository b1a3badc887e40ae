"""One phase of training with transformers' Trainer: resumable, selected on the validation split."""

import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.errors import TakenOver, UserError
from clinragen.model.device import require_device
from clinragen.model.inputs import Collator, Files
from clinragen.model.student import Student
from clinragen.processes import distributed, main_process
from clinragen.train.batches import LengthGroupedBatches
from clinragen.train.checkpoints import is_owner, leave, resume_point, take_over

log = logging.getLogger("train")
SECONDS_BETWEEN_LINES = 60.0
TIMES = ("_runtime", "_per_second")
DEEPSPEED = {
    "zero_optimization": {"stage": 2},
    "gradient_clipping": "auto",
    "gradient_accumulation_steps": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    # The optimizer is the Trainer's AdamW, not one of DeepSpeed's.
    "zero_allow_untested_optimizer": True,
}


@dataclass(frozen=True)
class Job:
    """What all phases need: data, settings, seed, and the folder for checkpoints of a run under way."""

    files: Files
    phase: Phase
    optimizer: Optimizer
    launch: Launch
    seed: int
    checkpoints: Path
    fingerprint: str


class LossLogger(TrainerCallback):
    """Log losses, one line per epoch, and in long epochs how far it is."""

    def __init__(self) -> None:
        self.logged_at = time.monotonic()

    def on_step_end(self, args, state, control, **_) -> None:  # type: ignore[no-untyped-def]
        if main_process() and time.monotonic() - self.logged_at > SECONDS_BETWEEN_LINES:
            self.logged_at = time.monotonic()
            log.info("step %d of at most %d", state.global_step, state.max_steps)

    def on_log(self, args, state, control, logs=None, **_) -> None:  # type: ignore[no-untyped-def]
        shown = {k: round(v, 4) for k, v in (logs or {}).items() if k in ("loss", "eval_loss", "learning_rate")}
        if shown and main_process():
            log.info("epoch %.1f of %d, step %d: %s", state.epoch or 0, args.num_train_epochs, state.global_step, shown)


class StudentTrainer(Trainer):
    """transformers' Trainer with our order of samples; it ends where numbers are no longer finite.

    Before it saves it looks whether a newer copy of the job has taken over.
    """

    def __init__(self, optimizer: Optimizer, **options: Any) -> None:
        self._settings = optimizer
        super().__init__(**options)

    def _get_train_sampler(self, train_dataset=None) -> LengthGroupedBatches:  # type: ignore[no-untyped-def]
        # Notes and targets together; the Trainer's own grouping sees notes only.
        lengths = [row["length"] for row in self.train_dataset]
        shuffled = self._settings.batch_order == "shuffled"
        return LengthGroupedBatches(lengths, self._settings.batch, self.args.data_seed, shuffled)

    def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
        loss = super().training_step(*args, **options)
        self._stop_unless_finite("loss", float(loss))
        return loss

    def _clip_grad_norm(self, model):  # type: ignore[no-untyped-def]
        norm = super()._clip_grad_norm(model)
        if norm is not None:
            self._stop_unless_finite("norm of the gradient", float(norm))
        return norm

    def _stop_unless_finite(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            half = " or set train.optimizer.precision to fp32" if self._settings.precision == "bf16" else ""
            raise UserError(
                f"the {name} is {value} at step {self.state.global_step + 1} of {self.state.max_steps}, at a learning "
                f"rate of {self.lr_scheduler.get_last_lr()[0]:.3g}: lower the learning_rate of this phase{half}"
            )

    def _save_checkpoint(self, model, trial) -> None:  # type: ignore[no-untyped-def]
        _still_owner(Path(self.args.output_dir))
        super()._save_checkpoint(model, trial)


class ResumableEarlyStopping(TrainerCallback):
    """Stop when the validation loss has not fallen for long enough, decided from the history alone.

    The counter of transformers' EarlyStoppingCallback starts at 0 again after a resume, so that a killed run
    would train longer than one that was left alone.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args, state, control, **_) -> None:  # type: ignore[no-untyped-def]
        control.should_training_stop |= out_of_patience(state.log_history, self.patience)


def out_of_patience(history: list[dict], patience: int) -> bool:
    """Whether the last `patience` validation losses are all no lower than one before them."""
    losses = [row["eval_loss"] for row in history if "eval_loss" in row]
    return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def train_student(
    student: Student, training: list[dict], validation: list[dict], tokenizer: PreTrainedTokenizerBase, job: Job
) -> tuple[list[dict], Callable[[], None]]:
    """Train in place, ending with the weights of the lowest validation loss.

    Returns the log of losses, and what removes the checkpoints: to be called once the student is safe elsewhere.

    Killed at any point, the next call with the same fingerprint continues from the last checkpoint. It does so even if
    this call is still running, which then ends with TakenOver.
    """
    if not training or not validation:
        raise UserError(f"{len(training)} training and {len(validation)} validation samples are too few to train")
    started, asked = int(os.environ.get("WORLD_SIZE", "1")), job.launch.nodes * job.launch.processes
    if started != asked:
        # The batch, and with it what is learned, would be another one; checkpoints of one number fit no other.
        raise UserError(
            f"train.launch asks for {job.launch.nodes} nodes with {job.launch.processes} processes each, "
            f"but {started} were started; check the launcher"
        )
    require_device(job.launch.device, "train.launch.device")
    on_gpu = job.launch.device == "cuda"
    half = job.optimizer.precision == "bf16"
    # DeepSpeed's own bf16 would turn the weights themselves into half precision, the series encoder's too,
    # and what phase 1 learned would be rounded; autocast keeps them whole, as without DeepSpeed.
    deepspeed = DEEPSPEED | {"torch_autocast": {"enabled": half, "dtype": "bfloat16"}}
    if not on_gpu:
        # Asked by accelerate even where DeepSpeed is not used; it would warn of what it finds by itself.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    arguments = TrainingArguments(
        output_dir=str(job.checkpoints),
        num_train_epochs=job.phase.epochs,
        learning_rate=job.phase.learning_rate,
        weight_decay=job.optimizer.weight_decay,
        warmup_steps=job.optimizer.warmup,
        lr_scheduler_type="linear",
        per_device_train_batch_size=job.optimizer.batch // asked,
        per_device_eval_batch_size=job.optimizer.batch,
        bf16=half and not job.launch.deepspeed,
        use_cpu=not on_gpu,
        deepspeed=deepspeed if job.launch.deepspeed else None,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        logging_nan_inf_filter=False,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        ddp_find_unused_parameters=False,
        seed=job.seed,
        data_seed=job.seed,
        report_to="none",
        disable_tqdm=True,
    )
    own = _of_main_process(lambda: take_over(job.checkpoints, job.fingerprint))
    arguments.output_dir = str(own)
    try:
        history = _train(student, training, validation, tokenizer, job, arguments)
        # The best weights were read from this folder only if it had not been taken over before.
        _still_owner(own)
    except Exception as error:
        if is_owner(own):
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise UserError(
                    "the memory of the GPU does not suffice: lower student.texts.max_note_tokens or "
                    "train.optimizer.batch, or raise train.launch.processes, among which the batch is divided"
                ) from None
            raise
        if main_process():
            leave(own)
        raise TakenOver(
            f"{job.checkpoints}: a newer copy of this job has taken over and continues from the last checkpoint"
        ) from None
    if distributed():
        # Without it processes that are still working are torn down with the first that ends.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return history, lambda: leave(own)


def _train(
    student: Student,
    training: list[dict],
    validation: list[dict],
    tokenizer: PreTrainedTokenizerBase,
    job: Job,
    arguments: TrainingArguments,
) -> list[dict]:
    """Train from the last checkpoint in the arguments' folder to the end; returns the log of losses."""
    resumed, steps_done, history = _of_main_process(
        lambda: resume_point(Path(arguments.output_dir), job.launch.nodes * job.launch.processes)
    )
    if out_of_patience(history, job.phase.patience):
        # Killed after its last epoch: nothing is left but to take the best weights.
        arguments.max_steps = steps_done
    trainer = StudentTrainer(
        job.optimizer,
        model=student,
        args=arguments,
        train_dataset=training,
        eval_dataset=validation,
        data_collator=Collator(tokenizer, student.shape.steps if student.shape else None),
        callbacks=[ResumableEarlyStopping(job.phase.patience), LossLogger()],
    )
    # It prints the losses again, beside the log.
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    # Without the clock, and without the closing row, a mean since the last start: equal runs leave equal files.
    rows = [row for row in trainer.state.log_history if "train_loss" not in row]
    return [{k: v for k, v in row.items() if not k.endswith(TIMES)} for row in rows]


def _of_main_process(make: Callable[[], Any]) -> Any:
    """What the main process makes, in every process: they may see a network file system at different times."""
    made = [make() if main_process() else None]
    if distributed():
        torch.distributed.broadcast_object_list(made)
    return made[0]


def _still_owner(own: Path) -> None:
    if not _of_main_process(lambda: is_owner(own)):
        raise TakenOver(str(own))


def finish(student: Student, tokenizer: PreTrainedTokenizerBase, history: list[dict], folder: Path) -> None:
    """Write the trained student and its losses into a new folder."""
    if main_process():
        folder.mkdir()
        student.save(folder, tokenizer)
        # Sorted, as are the rows that a resumed run read from its checkpoint.
        text = json.dumps(history, indent=1, sort_keys=True) + "\n"
        (folder / "history.json").write_text(text, encoding="utf-8")
