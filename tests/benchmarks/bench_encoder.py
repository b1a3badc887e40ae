"""What the series encoder costs: FLOP of a sample by phase, and the time of a step in each number format.

`make bench-encoder` runs it. No weights are needed: models have the published shapes, and FLOP are counted on tensors
without values. Times are of the GPU where there is one, otherwise CPU seconds of one thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import yaml
from runs import ROOT
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from toy_student import TEXTS, tokenizer
from transformers import AutoModelForSeq2SeqLM
from unit.test_model_series_encoder import added
from unit.test_model_sizes import SHAPES

from clinragen.config.student import Fusion
from clinragen.model.backbone import adapter_of
from clinragen.model.device import prepare_device
from clinragen.model.series_encoder import SeriesEncoder
from clinragen.model.student import Student

FUSION = Fusion.model_validate(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["student"]["fusion"])
STEPS, VOCABULARY = 1000, 2000
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
READS = {1: ("note",), 2: ("series",), 3: ("note", "series")}


def student(backbone: str, channels: int, phase: int) -> Student:
    """A random student as this phase trains it."""
    model = AutoModelForSeq2SeqLM.from_config(SHAPES[backbone])
    made = Student(adapter_of(model, tokenizer()), TEXTS, READS[phase])
    made._build_series_parts(FUSION, channels, STEPS, torch.zeros(VOCABULARY, SHAPES[backbone].d_model))
    made.freeze(*(["backbone"] if phase == 2 else []))
    return made.train()


def batch(size: int, channels: int, note: int, target: int) -> dict[str, torch.Tensor]:
    """Samples of full length."""
    ids = torch.ones(size, note, dtype=torch.long)
    series = {"series": torch.randn(size, STEPS, channels), "steps": torch.full((size,), STEPS)}
    return {"input_ids": ids, "attention_mask": ids, **series, "labels": torch.ones(size, target, dtype=torch.long)}


def step(forward: Callable[[], torch.Tensor], precision: str = "fp32") -> None:
    """Forward and backward pass; gradients add up."""
    prepare_device(DEVICE, precision, "device")
    with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bf16"):
        out = forward()
    out.float().mean().backward()


def vectors(encoder: SeriesEncoder, samples: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the encoder makes of the series alone."""
    return encoder(samples["series"], samples["steps"])[0]


def gflop(forward: Callable[[], torch.Tensor]) -> tuple[float, float]:
    """GFLOP of a step, and those of attention between positions, which the plain kernel shows."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step(forward)
    found = {str(op): count / 1e9 for op, count in counter.get_flop_counts()["Global"].items()}
    return sum(found.values()), found.get("aten.bmm", 0.0)


def print_flop(backbone: str, channels: int, note: int, target: int) -> None:
    """A row of the table per phase."""
    for phase in READS:
        with FakeTensorMode():
            model, samples = student(backbone, channels, phase), batch(1, channels, note, target)
            whole, scores = gflop(partial(model, **samples))
            encoder, _ = gflop(partial(vectors, model.encoder, samples)) if phase > 1 else (0, 0)
        shares = f"{whole:.0f} | {encoder:.0f} | {encoder / whole:.0%} | {scores:.0f}"
        print(f"| {backbone} | {note} + {target} | {channels} | {phase} | {shares} |", flush=True)


def seconds_of(work: Callable[[], None]) -> float:
    """Seconds of the GPU, or of the CPU in this process."""
    clock = time.perf_counter if DEVICE == "cuda" else time.process_time
    started = clock()
    work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def print_times(size: int, channels: int, repeats: int) -> None:
    """Time of a step by setting, taken in turns, as other work may run."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, before = (student("flan-t5-small", channels, 2).to(DEVICE) for _ in range(2))
    samples = {name: values.to(DEVICE) for name, values in batch(size, channels, 8, 250).items()}
    eager = SeriesEncoder(FUSION.series_encoder, channels, STEPS).to(DEVICE)
    eager.patchtst.set_attn_implementation("eager")
    for layer in eager.patchtst.encoder.layers:
        layer.self_attn.register_forward_pre_hook(added, with_kwargs=True)
    before.encoder.forward = torch.autocast(DEVICE, enabled=False)(before.encoder.forward)
    fused = partial(vectors, model.encoder, samples)
    settings = {
        "encoder: fp32, eager attention": (partial(vectors, eager, samples), "fp32"),
        "encoder: fp32": (fused, "fp32"),
        "encoder: tf32": (fused, "tf32"),
        "encoder: bf16": (fused, "bf16"),
        "phase 2: bf16, the encoder in fp32": (partial(before, **samples), "bf16"),
        "phase 2: bf16": (partial(model, **samples), "bf16"),
    }
    if DEVICE == "cpu":
        del settings["encoder: tf32"]
    seconds: dict[str, list[float]] = {name: [] for name in settings}
    for turn in range(repeats + 1):
        for name, (forward, precision) in settings.items():
            took = seconds_of(partial(step, forward, precision))
            seconds[name] += [took] if turn else []  # the first turn builds kernels
    unit = torch.cuda.get_device_name() if DEVICE == "cuda" else "one thread, CPU time"
    print(f"\n| {size} samples, {channels} channels; {unit} | median ms | least ms |\n|---|---:|---:|")
    for name, found in seconds.items():
        print(f"| {name} | {statistics.median(found) * 1e3:.1f} | {min(found) * 1e3:.1f} |")


def main() -> None:
    """Count and measure; print the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--channels", type=int, default=17)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print("| language model | note + target | channels | phase | GFLOP | encoder | share | attention |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for channels in (11, 17):
        for lengths in ((1600, 500), (400, 250)):
            print_flop("flan-t5-small", channels, *lengths)
    print_flop("flan-t5-large", 17, 1600, 500)
    print_times(given.batch, given.channels, given.repeats)


if __name__ == "__main__":
    main()
