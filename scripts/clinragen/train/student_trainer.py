"""transformers' Trainer for students: steps in micro-batches, a loss over target tokens, validation by loss and F1."""

import math
import statistics
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Trainer
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.trainer_utils import EvalLoopOutput

from clinragen.config.train import Optimizer
from clinragen.errors import UserError
from clinragen.model.inputs import Row
from clinragen.model.student import separate_shared_tensors
from clinragen.processes import distributed
from clinragen.train.batches import Sizes, StepLoader, Steps, divide
from clinragen.train.callbacks import merit
from clinragen.train.checkpoints import still_owner
from clinragen.train.loss import SectionMeans, token_weights
from clinragen.train.task import Task, longest_diagnoses

DECODED_TOGETHER = 32


class StudentTrainer(Trainer):
    """transformers' Trainer with its own order of samples, loss and validation; it stops when numbers are not finite.

    What the Trainer calls a batch is the share of a process in an optimizer step, in micro-batches. Before saving it
    checks whether a newer copy of the job has taken over.
    """

    def __init__(self, optimizer: Optimizer, task: Task[Any], steps: Steps, **options: Any) -> None:
        self._settings, self._task, self._steps = optimizer, task, steps
        self._training: list[Row] = options.get("train_dataset", [])
        self._validation: list[Row] = options.get("eval_dataset", [])
        self._losses = SectionMeans(optimizer.diagnoses_weight, options["args"].device)
        self._norms: list[float] = []
        super().__init__(**options)
        self.loss_is_scaled_for_ga = True  # compute_loss divides by the weight of the whole batch

    def get_train_dataloader(self) -> StepLoader:
        # Each process knows all batches and takes its share, so accelerate has nothing to divide.
        return StepLoader(self._steps, self.args.dataloader_pin_memory)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        # The Trainer excludes biases and layer norms only.
        kept = ("batchnorm", "position", "identity")
        return [n for n in super().get_decay_parameter_names(model) if not any(part in n.lower() for part in kept)]

    def _weights(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return token_weights(batch["labels"], batch["sections"], self._settings.diagnoses_weight)

    def _get_num_items_in_batch(self, batch_samples, device):
        """Return the weight of all target tokens of a step, over its micro-batches and processes."""
        weight = sum(self._weights(part).sum() for parts in batch_samples for part in parts).to(device)
        return self.accelerator.gather(weight).sum()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the share of a micro-batch in the weighted mean over the target tokens of the step.

        Processes average their gradients, so the loss is multiplied by their number.
        """
        logits = model(**{k: v for k, v in inputs.items() if k != "sections"})
        losses = self._task.losses(logits, inputs["labels"])
        self._losses.add(losses, inputs["labels"], inputs["sections"])
        loss = (losses * self._weights(inputs)).sum() / num_items_in_batch * self.accelerator.num_processes
        return loss

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Run all micro-batches of a step forward and backward; processes exchange gradients with the last one."""
        last, losses = len(inputs) - 1, []
        for i, part in enumerate(inputs):
            self.accelerator.gradient_state._set_sync_gradients(i == last)
            with nullcontext() if i == last else self.accelerator.no_sync(model):
                losses.append(super().training_step(model, part, num_items_in_batch))
        loss = torch.stack(losses).sum()
        self._stop_unless_finite("loss", float(loss))
        return loss

    def _get_grad_norm(self, model, grad_norm=None):
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None:
            self._stop_unless_finite("norm of the gradient", float(norm))
            self._norms.append(float(norm))
        return norm

    def _stop_unless_finite(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            half = " or set train.optimizer.precision to fp32" if self._settings.precision == "bf16" else ""
            rate = self.lr_scheduler.get_last_lr()[0] if self.lr_scheduler else math.nan
            raise UserError(
                f"the {name} is {value} at step {self.state.global_step + 1} of {self.state.max_steps}, at a learning "
                f"rate of {rate:.3g}: lower the learning_rate of this phase{half}"
            )

    def log(self, logs, start_time=None) -> None:
        """Log means over the interval; the Trainer would log those of its last step."""
        if "loss" in logs:
            logs = logs | self._losses.take()
            if self._norms:
                logs |= {"grad_norm": statistics.fmean(self._norms), "grad_norm_max": max(self._norms)}
            self._norms.clear()
        super().log(logs, start_time)

    def evaluation_loop(self, dataloader, description, *_, metric_key_prefix="eval", **__) -> EvalLoopOutput:
        """Compute the loss per section and the micro F1 of the written diagnoses; each process takes its share."""
        student, rows = self.accelerator.unwrap_model(self.model).eval(), self._validation
        self._share_buffers(student)
        own = sorted(rows, key=lambda row: row["length"])
        if not is_deepspeed_zero3_enabled():
            # Processes gather divided weights together for each step, so with ZeRO 3 each of them evaluates all rows.
            own = own[self.args.process_index :: self.args.world_size]
        device, most_tokens = self.args.device, self._steps.most_tokens
        half = torch.autocast(device.type, torch.bfloat16, enabled=self._settings.precision == "bf16")
        size, losses = self._settings.batch, SectionMeans(self._settings.diagnoses_weight, device)
        sizes = Sizes(own, student.lab_tokens)
        with torch.inference_mode(), half:
            for start in range(0, len(own), size):
                batch = list(range(start, min(start + size, len(own))))
                for part in divide(batch, sizes, 1, most_tokens)[0]:
                    inputs = {k: v.to(device) for k, v in self.data_collator([own[i] for i in part]).items()}
                    sections = inputs.pop("sections")
                    losses.add(self._task.losses(student(**inputs), inputs["labels"]), inputs["labels"], sections)
            # Writing a text needs far less memory than training on it.
            together = min(max(size, DECODED_TOGETHER), max(1, most_tokens // max(sizes.prompts, default=1)))
            names = sorted({name for row in [*self._training, *rows] for name in row["phenotypes"]})
            pairs = self._task.counts(student, own, names, longest_diagnoses(rows), together)
        counts = torch.tensor(pairs, device=device)
        if distributed():
            torch.distributed.all_reduce(counts)
        f1 = max(2 * hits / named if named else 0.0 for hits, named in counts.tolist())
        metrics = losses.take(f"{metric_key_prefix}_") | {f"{metric_key_prefix}_f1": f1}
        nothing: Any = None  # predictions are not kept, although EvalLoopOutput declares an array
        return EvalLoopOutput(predictions=nothing, label_ids=None, metrics=metrics, num_samples=len(rows))

    def _determine_best_metric(self, metrics, trial) -> bool:
        """Select by `merit`; of equal epochs the first is kept."""
        *before, last = [row for row in self.state.log_history if "eval_loss" in row]
        selection = self._settings.selection
        best = all(merit(last, selection) > merit(row, selection) for row in before)
        if best:
            self.state.best_metric = metrics[self.args.metric_for_best_model]
            self.state.best_global_step = self.state.global_step
        return best

    def _share_buffers(self, student: nn.Module) -> None:
        """Give all processes the running statistics of the first, which are the saved ones."""
        if distributed():
            for buffer in student.buffers():
                torch.distributed.broadcast(buffer, 0)

    def gather_weights(self) -> None:
        """Restore the complete weights of the main process's student, if DeepSpeed has divided them."""
        if is_deepspeed_zero3_enabled() and self.model is not None:
            whole = self.accelerator.get_state_dict(self.model_wrapped)
            if self.accelerator.is_main_process:
                for name, parameter in self.model.named_parameters():
                    parameter.data = whole[name]

    def _save(self, output_dir=None, state_dict=None) -> None:
        if state_dict:  # from DeepSpeed, which does not ask the model for it if it has divided the weights
            separate_shared_tensors(state_dict)
        super()._save(output_dir, state_dict)

    def _save_checkpoint(self, model, trial) -> None:
        still_owner(Path(str(self.args.output_dir)))
        super()._save_checkpoint(model, trial)
