"""One phase of training with transformers' Trainer: resumable, selected on the validation split."""

import json
import logging
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainingArguments

from clinragen.config.train import Launch
from clinragen.errors import TakenOver, UserError
from clinragen.model.device import prepare_device
from clinragen.model.inputs import Row
from clinragen.model.student import Student
from clinragen.processes import distributed, main_process
from clinragen.train.batches import Sizes, Steps
from clinragen.train.callbacks import Clock, ProgressLogger, ResumableEarlyStopping, out_of_patience
from clinragen.train.checkpoints import Progress, is_owner, leave, of_main_process, resume_point, still_owner, take_over
from clinragen.train.job import Job
from clinragen.train.memory import fit
from clinragen.train.student_trainer import StudentTrainer
from clinragen.train.task import M, Task
from clinragen.train.tensorboard import event_writers, require_tensorboard

log = logging.getLogger("train")
HISTORY = "history.json"
MOST_TOKENS = "micro_batch_tokens"
TIMES = ("_runtime", "_per_second")
BUCKET = 50_000_000
# By stage. DeepSpeed would keep two buffers of ten times the size, 2 GB each.
ZERO = {
    2: {"stage": 2, "reduce_bucket_size": BUCKET, "allgather_bucket_size": BUCKET},
    # Every weight is divided, however small; checkpoints have whole ones, as without DeepSpeed.
    3: {
        "stage": 3,
        "reduce_bucket_size": BUCKET,
        "stage3_prefetch_bucket_size": BUCKET,
        "stage3_param_persistence_threshold": 0,
        "stage3_gather_16bit_weights_on_model_save": True,
    },
}
DEEPSPEED = {
    "gradient_clipping": "auto",
    "gradient_accumulation_steps": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    # The optimizer is the Trainer's AdamW, not one of DeepSpeed's.
    "zero_allow_untested_optimizer": True,
}


@dataclass(frozen=True)
class Training:
    """The course of a training."""

    history: list[dict]
    """The log of losses; `kept` is 1 in the row of the epoch whose weights were kept."""
    most_tokens: int
    """Maximum of tokens of a micro-batch."""
    earlier_seconds: float
    """Seconds of earlier attempts that this one continued; 0 if it started from the beginning."""
    release: Callable[[], None]
    """Removes the checkpoints: to be called once the model is committed."""


def train_student(student: M, training: list[Row], validation: list[Row], task: Task[M], job: Job) -> Training:
    """Train a student, or a classifier, in place, ending with the weights of the best validation.

    Killed at any point, the next call with the same fingerprint continues from the last checkpoint. It does so even if
    this call is still running, which then ends with TakenOver.
    """
    if not training or not validation:
        left_out = "; marked samples are left out (train.optimizer.marked_samples)"
        raise UserError(
            f"{job.files.labels}: {len(training)} training and {len(validation)} validation samples are too few to "
            f"train{left_out * (job.optimizer.marked_samples == 'leave_out')}; the tables benchmark/attrition*.csv "
            "say where samples are lost"
        )
    started, asked = int(os.environ.get("WORLD_SIZE", "1")), job.launch.nodes * job.launch.processes
    if started != asked:
        # Another number changes the batch, and with it the weights; checkpoints do not fit another number either.
        raise UserError(
            f"train.launch asks for {job.launch.nodes} nodes with {job.launch.processes} processes each, "
            f"but {started} were started; check the launcher"
        )
    prepare_device(job.launch.device, job.optimizer.precision, "train.launch.device")
    require_tensorboard()
    if job.launch.gradient_checkpointing and isinstance(student, Student):
        student.backbone.activation_checkpointing_enable()
    arguments = _arguments(job)
    own = of_main_process(lambda: take_over(job.checkpoints, job.fingerprint))
    arguments.output_dir = str(own)
    try:
        history, most_tokens, earlier = _train(student, training, validation, task, job, arguments, own)
        # The best weights come from this directory only if no other copy had taken it over before.
        still_owner(own)
    except Exception as error:
        if is_owner(own):
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise _out_of_memory(own, job.launch) from None
            raise
        if main_process():
            leave(own)
        raise TakenOver(
            f"{job.checkpoints}: a newer copy of this job has taken over and continues from the last checkpoint"
        ) from None
    if distributed():
        # Otherwise processes that are still working are torn down with the first that ends.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return Training(history, most_tokens, earlier, lambda: leave(own))


def _arguments(job: Job) -> TrainingArguments:
    """Return the settings of the Trainer; its directory is set once this copy of the job has one."""
    on_gpu = job.launch.device == "cuda"
    half = job.optimizer.precision == "bf16"
    # DeepSpeed's bf16 would convert the weights themselves to half precision, the series encoder's too, and round the
    # result of phase 1; autocast keeps them in fp32, as without DeepSpeed. Processes exchange gradients of linear
    # layers in half precision.
    deepspeed = DEEPSPEED | {"torch_autocast": {"enabled": half, "dtype": "bfloat16"}}
    deepspeed["zero_optimization"] = ZERO[job.launch.zero_stage]
    if not on_gpu:
        # accelerate asks for it even without DeepSpeed, which would warn about the device that it detects.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    return TrainingArguments(
        output_dir=str(job.checkpoints),
        num_train_epochs=job.phase.epochs,
        learning_rate=job.phase.learning_rate,
        weight_decay=job.optimizer.weight_decay,
        warmup_steps=job.optimizer.warmup,
        lr_scheduler_type="linear",
        # For the Trainer's log: StepLoader yields the share of a process in a step as one batch.
        per_device_train_batch_size=math.ceil(job.optimizer.batch / (job.launch.nodes * job.launch.processes)),
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


def _train(
    student: M,
    training: list[Row],
    validation: list[Row],
    task: Task[M],
    job: Job,
    arguments: TrainingArguments,
    own: Path,
) -> tuple[list[dict], int, float]:
    """Train from the last checkpoint in this copy's directory to the end.

    Returns the log of losses, the maximum of tokens of a micro-batch, and the seconds of earlier attempts.
    """
    done: Progress = of_main_process(lambda: resume_point(own, job.launch.nodes * job.launch.processes))
    steps = Steps(
        training,
        Sizes(training, student.lab_tokens),
        task.collator(student.shape.steps if student.shape else None),
        batch=job.optimizer.batch,
        seed=job.seed,
        shuffled=job.optimizer.batch_order == "shuffled",
        most_tokens=job.launch.micro_batch_tokens,
        process=arguments.process_index,
        processes=arguments.world_size,
    )
    if job.optimizer.max_steps is not None:
        arguments.max_steps = min(job.optimizer.max_steps, job.phase.epochs * len(steps))
    if out_of_patience(done.history, job.phase.patience):
        # Killed after its last epoch: only the best weights remain to be loaded.
        arguments.max_steps = done.steps
    if job.launch.fit_memory and job.launch.device == "cuda":
        _fit_memory(steps, student, task, arguments.device, own, half=job.optimizer.precision == "bf16")
    trainer = StudentTrainer(
        job.optimizer,
        task,
        steps,
        model=student,
        args=arguments,
        train_dataset=training,
        eval_dataset=validation,
        data_collator=steps.collate,
        callbacks=[
            ResumableEarlyStopping(job.phase.patience),
            ProgressLogger(),
            Clock(done.seconds),
            *event_writers(done.steps),
        ],
    )
    # It would print the losses that are logged already.
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(done.checkpoint) if done.checkpoint else None)
    trainer.gather_weights()
    # Without times, and without the last row, a mean since the last start, so that equal runs write equal files.
    rows = [row for row in trainer.state.log_history if "train_loss" not in row]
    history = [{k: v for k, v in row.items() if not k.endswith(TIMES)} for row in rows]
    for row in history:
        if "eval_loss" in row and row["step"] == trainer.state.best_global_step:
            row["kept"] = 1
    return history, steps.most_tokens, done.seconds


def _fit_memory(steps: Steps, student: M, task: Task[M], device: torch.device, own: Path, *, half: bool) -> None:
    """Find the micro-batches that fit into the memory of all GPUs; a resumed training starts from those it had."""
    kept = own / MOST_TOKENS
    steps.most_tokens = of_main_process(lambda: _kept(kept) or steps.most_tokens)
    student.to(device).train()

    def run(part: list[int]) -> None:
        batch = {name: value.to(device) for name, value in steps.collated(part).items() if name != "sections"}
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = task.losses(student(**batch), batch["labels"]).sum()
        loss.backward()
        student.zero_grad(set_to_none=True)

    fit(steps, student, device, run)
    if distributed():
        smallest = torch.tensor(steps.most_tokens, device=device)
        torch.distributed.all_reduce(smallest, torch.distributed.ReduceOp.MIN)
        steps.most_tokens = int(smallest)
    if main_process():
        _keep(kept, steps.most_tokens)


def _out_of_memory(own: Path, launch: Launch) -> Exception:
    """Return the error to raise for lack of memory: one of the setting, or of this attempt alone.

    If micro-batches may shrink, the next attempt continues from the last checkpoint with half the tokens.
    """
    kept = _kept(own / MOST_TOKENS)
    if not launch.fit_memory or kept is None:
        return UserError(
            "the memory of the GPU does not suffice: lower train.launch.micro_batch_tokens, or set "
            "train.launch.fit_memory to true; the training then starts from the beginning"
        )
    _keep(own / MOST_TOKENS, kept // 2)
    return RuntimeError(
        f"the memory of the GPU does not suffice for micro-batches of {kept} tokens; the next attempt continues from "
        f"the last checkpoint with at most {kept // 2}"
    )


def _kept(path: Path) -> int | None:
    """Return the number in a file; None if it is missing or incomplete."""
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="utf-8"))
    return None


def _keep(path: Path, number: int) -> None:
    whole = path.with_name(f".tmp-{path.name}")
    whole.write_text(str(number), encoding="utf-8")
    whole.replace(path)


def log_counts(counts: dict[str, dict[str, int]]) -> None:
    """Log the counts of the samples of each split."""
    for split, numbers in counts.items():
        log.info("%s split: %s", split, ", ".join(f"{number} {name}" for name, number in numbers.items()))


def finish(save: Callable[[Path], None], samples: dict[str, dict[str, int]], training: Training, model: Path) -> None:
    """Let `save` write the model into a new directory; add the counts of its samples and the log of the training."""
    if main_process():
        model.mkdir()
        save(model)
        # Sorted, as are the rows that a resumed run read from its checkpoint.
        facts = {"samples": samples, "micro_batch_tokens": training.most_tokens, "history": training.history}
        text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
        (model / HISTORY).write_text(text, encoding="utf-8")
