"""One phase of training with transformers' Trainer: resumable, selected on the validation split."""

import json
import logging
import math
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.errors import TakenOver, UserError
from clinragen.model.decoding import decode
from clinragen.model.device import require_device
from clinragen.model.inputs import Collator, Files, Row
from clinragen.model.student import Student
from clinragen.model.target_codec import parse_output
from clinragen.processes import distributed, main_process
from clinragen.train.batches import Sizes, StepLoader, Steps
from clinragen.train.checkpoints import is_owner, leave, resume_point, take_over
from clinragen.train.loss import SectionMeans, token_losses, token_weights
from clinragen.train.memory import fit

log = logging.getLogger("train")
SECONDS_BETWEEN_LINES = 60.0
HISTORY = "history.json"
MOST_TOKENS = "micro_batch_tokens"
TIMES = ("_runtime", "_per_second")
DECODED_TOGETHER = 32
ROOM_FOR_MARKER = 12
"""Tokens decoded beyond the longest diagnoses, so that the next section's marker is whole and ends them."""
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


class StudentTrainer(Trainer):
    """transformers' Trainer with our order of samples, loss and validation; it ends where numbers are not finite.

    What the Trainer takes for a batch is all that a process does in an optimizer step, in micro-batches. Before it
    saves it looks whether a newer copy of the job has taken over.
    """

    def __init__(self, optimizer: Optimizer, tokenizer: PreTrainedTokenizerBase, steps: Steps, **options: Any) -> None:
        self._settings, self._tokenizer, self._steps = optimizer, tokenizer, steps
        self._losses, self._norms = SectionMeans(optimizer.diagnoses_weight), []
        super().__init__(**options)
        self.loss_is_scaled_for_ga = True  # compute_loss divides by the weight of the whole batch

    def get_train_dataloader(self) -> StepLoader:
        # Each process knows all batches and takes its own share, so that accelerate has nothing to divide.
        return StepLoader(self._steps, self.args.dataloader_pin_memory)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        # The Trainer leaves out biases and layer norms only.
        kept = ("batchnorm", "position", "identity")
        return [n for n in super().get_decay_parameter_names(model) if not any(part in n.lower() for part in kept)]

    def _weights(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return token_weights(batch["labels"], batch["sections"], self._settings.diagnoses_weight)

    def _get_num_items_in_batch(self, batch_samples, device):  # type: ignore[no-untyped-def]
        """Weight of all target tokens of a step, over its micro-batches and processes."""
        weight = sum(self._weights(part).sum() for parts in batch_samples for part in parts).to(device)
        return self.accelerator.gather(weight).sum()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):  # type: ignore[no-untyped-def]
        """The share of a micro-batch in the weighted mean over the target tokens of the step.

        Processes average their gradients, so that their number is taken out again.
        """
        logits = model(**{k: v for k, v in inputs.items() if k != "sections"})
        losses = token_losses(logits, inputs["labels"])
        self._losses.add(losses, inputs["labels"], inputs["sections"])
        loss = (losses * self._weights(inputs)).sum() / num_items_in_batch * self.accelerator.num_processes
        return (loss, {"logits": logits}) if return_outputs else loss

    def training_step(self, model, inputs, num_items_in_batch=None):  # type: ignore[no-untyped-def]
        """Take all micro-batches of a step forward and backward; processes exchange gradients with the last one."""
        last, losses = len(inputs) - 1, []
        for i, part in enumerate(inputs):
            self.accelerator.gradient_state._set_sync_gradients(i == last)
            with nullcontext() if i == last else self.accelerator.no_sync(model):
                losses.append(super().training_step(model, part, num_items_in_batch))
        loss = torch.stack(losses).sum()
        self._stop_unless_finite("loss", float(loss))
        return loss

    def _get_grad_norm(self, model, grad_norm=None):  # type: ignore[no-untyped-def]
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None:
            self._stop_unless_finite("norm of the gradient", float(norm))
            self._norms.append(float(norm))
        return norm

    def _stop_unless_finite(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            half = " or set train.optimizer.precision to fp32" if self._settings.precision == "bf16" else ""
            raise UserError(
                f"the {name} is {value} at step {self.state.global_step + 1} of {self.state.max_steps}, at a learning "
                f"rate of {self.lr_scheduler.get_last_lr()[0]:.3g}: lower the learning_rate of this phase{half}"
            )

    def log(self, logs, start_time=None) -> None:  # type: ignore[no-untyped-def]
        """Log means over the interval where the Trainer has those of its last step."""
        if "loss" in logs:
            logs = logs | self._losses.take()
            if self._norms:
                logs |= {"grad_norm": statistics.fmean(self._norms), "grad_norm_max": max(self._norms)}
            self._norms.clear()
        super().log(logs, start_time)

    def evaluation_loop(self, dataloader, description, *_, metric_key_prefix="eval", **__) -> EvalLoopOutput:  # type: ignore[no-untyped-def]
        """Loss per section, and micro F1 of the diagnoses that the student writes; each process takes its share."""
        student, rows = self.accelerator.unwrap_model(self.model).eval(), self.eval_dataset
        own = sorted(rows, key=lambda row: row["length"])[self.args.process_index :: self.args.world_size]
        device = self.args.device
        half = torch.autocast(device.type, torch.bfloat16, enabled=self._settings.precision == "bf16")
        size, losses = self.args.per_device_eval_batch_size, SectionMeans(self._settings.diagnoses_weight)
        with torch.inference_mode(), half:
            for start in range(0, len(own), size):
                batch = {k: v.to(device) for k, v in self.data_collator(own[start : start + size]).items()}
                sections = batch.pop("sections")
                losses.add(token_losses(student(**batch), batch["labels"]), batch["labels"], sections)
            # No more than a target: a language model may have no positions beyond.
            most = min(longest_diagnoses(rows) + ROOM_FOR_MARKER, student.texts.max_target_tokens)
            together = max(size, DECODED_TOGETHER)
            written = decode(student, own, self._tokenizer, together, max_new_tokens=most, diagnoses_only=True)
            outputs = [output.text for output in written]
        names = sorted({name for row in [*self.train_dataset, *rows] for name in row["phenotypes"]})
        counts = torch.tensor(count_hits(own, outputs, names), device=device)
        if distributed():
            torch.distributed.all_reduce(counts)
        hits, named = counts.tolist()
        metrics = losses.take(f"{metric_key_prefix}_") | {f"{metric_key_prefix}_f1": 2 * hits / named if named else 0.0}
        return EvalLoopOutput(predictions=None, label_ids=None, metrics=metrics, num_samples=len(rows))

    def _save_checkpoint(self, model, trial) -> None:  # type: ignore[no-untyped-def]
        _still_owner(Path(self.args.output_dir))
        super()._save_checkpoint(model, trial)


def longest_diagnoses(rows: list[Row]) -> int:
    """Most tokens that the diagnoses of a target take."""
    return max(int((row["sections"] == 0).sum()) for row in rows)


def count_hits(rows: list[Row], outputs: list[str], phenotypes: list[str]) -> tuple[int, int]:
    """Phenotypes that are both written and true, and the number of both together."""
    pairs = [
        (set(parse_output(text, phenotypes).phenotypes), set(row["phenotypes"]))
        for row, text in zip(rows, outputs, strict=True)
    ]
    return sum(len(p & t) for p, t in pairs), sum(len(p) + len(t) for p, t in pairs)


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


@dataclass(frozen=True)
class Training:
    """How a training went."""

    history: list[dict]
    """The log of losses."""
    most_tokens: int
    """Tokens of a micro-batch, at most."""
    release: Callable[[], None]
    """Removes the checkpoints: to be called once the student is safe elsewhere."""


def train_student(
    student: Student, training: list[Row], validation: list[Row], tokenizer: PreTrainedTokenizerBase, job: Job
) -> Training:
    """Train in place, ending with the weights of the best validation.

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
        # For what the Trainer logs: our loader has a step's share of a process as one batch.
        per_device_train_batch_size=math.ceil(job.optimizer.batch / asked),
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
        metric_for_best_model=f"eval_{job.optimizer.selection}",
        greater_is_better=job.optimizer.selection == "f1",
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
        history, most_tokens = _train(student, training, validation, tokenizer, job, arguments)
        # The best weights were read from this folder only if it had not been taken over before.
        _still_owner(own)
    except Exception as error:
        if is_owner(own):
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise UserError(
                    "the memory of the GPU does not suffice: lower train.launch.micro_batch_tokens, or set "
                    "train.launch.fit_memory to true"
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
    return Training(history, most_tokens, lambda: leave(own))


def _train(
    student: Student,
    training: list[Row],
    validation: list[Row],
    tokenizer: PreTrainedTokenizerBase,
    job: Job,
    arguments: TrainingArguments,
) -> tuple[list[dict], int]:
    """Train from the last checkpoint in the arguments' folder to the end.

    Returns the log of losses, and how many tokens a micro-batch had at most.
    """
    resumed, steps_done, history = _of_main_process(
        lambda: resume_point(Path(arguments.output_dir), job.launch.nodes * job.launch.processes)
    )
    if out_of_patience(history, job.phase.patience):
        # Killed after its last epoch: nothing is left but to take the best weights.
        arguments.max_steps = steps_done
    steps = Steps(
        training,
        Sizes(training, student.lab_tokens),
        Collator(tokenizer, student.shape.steps if student.shape else None),
        batch=job.optimizer.batch,
        seed=job.seed,
        shuffled=job.optimizer.batch_order == "shuffled",
        most_tokens=job.launch.micro_batch_tokens,
        process=arguments.process_index,
        processes=arguments.world_size,
    )
    if job.launch.fit_memory and job.launch.device == "cuda":
        _fit_memory(steps, student, arguments)
    trainer = StudentTrainer(
        job.optimizer,
        tokenizer,
        steps,
        model=student,
        args=arguments,
        train_dataset=training,
        eval_dataset=validation,
        data_collator=steps.collate,
        callbacks=[ResumableEarlyStopping(job.phase.patience), ProgressLogger()],
    )
    # It prints the losses again, beside the log.
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    # Without the clock, and without the closing row, a mean since the last start: equal runs leave equal files.
    rows = [row for row in trainer.state.log_history if "train_loss" not in row]
    return [{k: v for k, v in row.items() if not k.endswith(TIMES)} for row in rows], steps.most_tokens


def _fit_memory(steps: Steps, student: Student, arguments: TrainingArguments) -> None:
    """Find the micro-batches that fit into the memory of all GPUs; a resumed training starts from those it had."""
    device, kept = arguments.device, Path(arguments.output_dir, MOST_TOKENS)
    steps.most_tokens = _of_main_process(lambda: int(kept.read_text()) if kept.is_file() else steps.most_tokens)
    half = torch.autocast(device.type, torch.bfloat16, enabled=arguments.bf16 or bool(arguments.deepspeed))
    student.to(device).train()

    def run(part: list[int]) -> None:
        batch = {name: value.to(device) for name, value in steps.collated(part).items() if name != "sections"}
        with half:
            loss = token_losses(student(**batch), batch["labels"]).sum()
        loss.backward()
        student.zero_grad(set_to_none=True)

    fit(steps, student, device, run)
    if distributed():
        smallest = torch.tensor(steps.most_tokens, device=device)
        torch.distributed.all_reduce(smallest, torch.distributed.ReduceOp.MIN)
        steps.most_tokens = int(smallest)
    if main_process():
        kept.write_text(str(steps.most_tokens), encoding="utf-8")


def _of_main_process(make: Callable[[], Any]) -> Any:
    """What the main process makes, in every process: they may see a network file system at different times."""
    made = [make() if main_process() else None]
    if distributed():
        torch.distributed.broadcast_object_list(made)
    return made[0]


def _still_owner(own: Path) -> None:
    if not _of_main_process(lambda: is_owner(own)):
        raise TakenOver(str(own))


def finish(
    student: Student,
    tokenizer: PreTrainedTokenizerBase,
    samples: dict[str, dict[str, int]],
    training: Training,
    folder: Path,
) -> None:
    """Write the trained student into a new folder, with what it was trained on and the course of the training."""
    if main_process():
        folder.mkdir()
        student.save(folder, tokenizer)
        # Sorted, as are the rows that a resumed run read from its checkpoint.
        facts = {"samples": samples, "micro_batch_tokens": training.most_tokens, "history": training.history}
        text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
        (folder / HISTORY).write_text(text, encoding="utf-8")
