"""Speed of training, phase by phase: a re-enactment of the released loop, each change alone, and our trainer.

`make bench-training [DEVICE=cuda] [WRITE=1]` runs it; WRITE puts the tables into docs/performance.md. Memory and GPU
hours of the paper's matrix are computed from shapes, and from the MFU measured here where there is a GPU.
"""

import argparse
import math
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch
import yaml
from benchmarks.curves import largest_difference, our_steps, released_losses
from benchmarks.released import RELEASED, Recipe, Recorder, Tokens, samples_per_second
from benchmarks.shapes import CHANNELS, FUSION, SETTINGS, SHAPES, STEPS, TEXTS, flops, memory, student_of
from runs import ROOT
from toy_student import tokenizer

from clinragen.config.models import Model
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.model.inputs import Row, pad_series
from clinragen.registry.tokenizer import marks_of
from clinragen.train.job import Job
from clinragen.train.task import Writing
from clinragen.train.trainer import train_student

PAGE = ROOT / "docs" / "performance.md"
# The mean of a brief hospital course of MIMIC-III in tokens (Searle et al., 2022); the spread is assumed. We leave out
# half of the words, stop words and numbers, and take two of T5's tokens for each of the others.
NOTE_MEAN, NOTE_SPREAD = 731, 0.65
# Tokens of R^m and R^t (100 and 35 words) and of a name, as T5's tokenizer makes them; names of a stay.
NOTE_RATIONALE, LAB_RATIONALE, NAME, NAMES, TARGET_SPREAD = 150, 60, 8, 4, 0.2
# Median stay in an ICU of MIMIC-III (2.1 days, Johnson et al., 2016); all series are padded to the same length.
STAY_HOURS = 50
PHASES = (1, 2, 3)
# Largest numbers of dense products in bf16, by part of the card's name (NVIDIA's data sheets).
PEAKS = {"H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200": 989e12, "A100": 312e12}
# For the GPU hours where nothing was measured.
ASSUMED_MFU, ASSUMED_EPOCHS, CARD = 0.2, 15, "H100"
STAYS = {"MIMIC-III": 28_456, "MIMIC-IV": 28_900}
LONGEST = TEXTS.max_note_tokens + TEXTS.max_target_tokens
THEIRS, OURS = "released loop", "our trainer"
CHANGES = {
    THEIRS: RELEASED,
    "+ notes padded to the longest of the batch, padding left out of the loss": Recipe(None, padding_counts=False),
    "+ samples of like length in a batch": Recipe(None, True, padding_counts=False),
    "+ fused attention": Recipe(None, True, "sdpa", padding_counts=False),
    "+ bf16": Recipe(None, True, "sdpa", True, padding_counts=False),
}
# Phase 2 reads none.
OF_NOTES = list(CHANGES.values())[1:3]


@dataclass(frozen=True)
class Run:
    """What is measured: a backbone's shape on a device, with these many samples."""

    backbone: str
    device: torch.device
    samples: int
    micro_batch: int
    precision: str

    @property
    def peak(self) -> float | None:
        """Largest FLOP/s of the card in bf16; None on a CPU or an unknown card."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        return next((peak for part, peak in PEAKS.items() if part in name), None)


def lengths(number: int, phase: int, rationales: bool = True, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of notes and targets of a phase, both cut as in config.yaml.

    Notes are quantiles of a lognormal distribution in random order, so that few represent it too.
    """
    random = np.random.default_rng(seed)
    normal = NormalDist(np.log(NOTE_MEAN) - NOTE_SPREAD**2 / 2, NOTE_SPREAD)
    notes = random.permutation([math.exp(normal.inv_cdf((i + 0.5) / number)) for i in range(number)])
    texts = rationales * ((NOTE_RATIONALE if phase != 2 else 0) + LAB_RATIONALE)
    targets = NAME * random.poisson(NAMES, number) + texts * random.lognormal(0, TARGET_SPREAD, number)
    return notes.round().clip(16, TEXTS.max_note_tokens), targets.round().clip(NAME, TEXTS.max_target_tokens)


def rows_of(run: Run, phase: int) -> list[Row]:
    """Samples of a phase as our trainer takes them, of random tokens and values."""
    random, rows = np.random.default_rng(1), []
    for stay, (notes, targets) in enumerate(zip(*lengths(run.samples, phase), strict=True)):
        row: Row = {"stay_id": stay, "phenotypes": ["Shock"], "length": int((phase != 2) * notes + targets)}
        row["labels"] = random.integers(10, 200, int(targets))
        row["sections"] = (np.arange(int(targets)) >= NAME * NAMES).astype(int)
        if phase != 2:
            row["input_ids"] = random.integers(10, 200, int(notes))
        if phase != 1:
            hours = int(np.clip(random.lognormal(math.log(STAY_HOURS), 1.0), 8, STEPS))
            row["series"] = random.standard_normal((hours, CHANNELS)).astype(np.float32)
        rows.append(row)
    return rows


def pace_of_loop(run: Run, phase: int, recipe: Recipe, rows: list[Row]) -> float:
    """Samples a second of the re-enactment. Where all are equally long, a few batches say it.

    A batch that does not fit into the memory of a GPU is halved, as someone who runs the released code would.
    """
    samples = []
    for row in rows:
        series = row.get("series")
        own = {} if series is None else {"series": pad_series(series, STEPS), "steps": len(series)}
        samples.append(Tokens(row.get("input_ids"), row["labels"], **own))
    # Full precision, whatever our trainer has set for the process; PyTorch 2.0 of the paper has no other default.
    torch.set_float32_matmul_precision("highest")
    fusion = FUSION.model_copy(update={"variable_identity": False})
    student = student_of(run.backbone, phase, recipe.attention, fusion).to(run.device)
    few = 2 if run.device.type == "cpu" else 20
    most = few if recipe.note_tokens and phase != 2 else None
    size = run.micro_batch
    while True:
        try:
            return samples_per_second(student, samples, size, recipe, marks_of(tokenizer()).padding, most)
        except torch.cuda.OutOfMemoryError:
            if size == 1:
                return math.nan
        size = math.ceil(size / 2)
        student.zero_grad()
        torch.cuda.empty_cache()
        print(f"out of memory: {size} samples at once", flush=True)


def pace_of_ours(run: Run, phase: int, rows: list[Row]) -> float:
    """Samples a second of our trainer in its last epoch; on a GPU that is the second."""
    on_gpu = run.device.type == "cuda"
    epochs = 2 if on_gpu else 1
    optimizer = Optimizer.model_validate(SETTINGS["train"]["optimizer"] | {"precision": run.precision})
    small = {} if on_gpu else {"micro_batch_tokens": run.micro_batch * LONGEST, "fit_memory": False}
    here = {"device": run.device.type, "nodes": 1, "processes": 1, "deepspeed": False}
    launch = Launch.model_validate(SETTINGS["train"]["launch"] | here | small)
    student = student_of(run.backbone, phase, "sdpa")
    with tempfile.TemporaryDirectory() as directory, Recorder(student) as recorder:
        schedule = Phase(learning_rate=1e-5, epochs=epochs, patience=epochs)
        job = Job(None, schedule, optimizer, launch, 1, Path(directory) / "checkpoints", "bench")
        train_student(student, rows, rows[:1], Writing(tokenizer()), job)
    return recorder.samples_per_second(epochs)


def measured(run: Run) -> dict[str, list[float]]:
    """Samples a second of every loop, phase by phase."""
    paces: dict[str, list[float]] = {name: [] for name in (*CHANGES, OURS)}
    for phase in PHASES:
        rows = rows_of(run, phase)
        for name, recipe in CHANGES.items():
            skipped = phase == 2 and recipe in OF_NOTES
            paces[name].append(math.nan if skipped else pace_of_loop(run, phase, recipe, rows))
            print(f"phase {phase}, {name}: {paces[name][-1]:.3f}/s", flush=True)
        paces[OURS].append(pace_of_ours(run, phase, rows))
        print(f"phase {phase}, {OURS}: {paces[OURS][-1]:.3f}/s", flush=True)
    return paces


def speed(run: Run, paces: dict[str, list[float]]) -> tuple[str, dict[tuple[str, int], float]]:
    """The paces and their ratios to the released loop, in Markdown, and the MFU here if the card is known."""
    lines = ["| samples a second | phase 1 | phase 2 | phase 3 |", "|---|---:|---:|---:|"]
    for name, found in paces.items():
        lines.append(_line(name, (_pace(x, x / first) for x, first in zip(found, paces[THEIRS], strict=True))))
    needed = [float(flops(run.backbone, p)(*lengths(run.samples, p)).mean()) for p in PHASES]
    padded = [float(flops(run.backbone, p)(TEXTS.max_note_tokens, lengths(run.samples, p)[1].mean())) for p in PHASES]
    reached = [pace * flop for pace, flop in zip(paces[OURS], needed, strict=True)]
    lines.append(_line("GFLOP of a sample without padding", (f"{x / 1e9:.0f}" for x in needed)))
    lines.append(_line("GFLOP of a sample, note padded to 1,600", (f"{x / 1e9:.0f}" for x in padded)))
    lines.append(_line("GFLOP/s of our trainer", (f"{x / 1e9:.0f}" for x in reached)))
    mfu = {(run.backbone, p): x / run.peak for p, x in zip(PHASES, reached, strict=True)} if run.peak else {}
    if mfu:
        lines.append(_line("MFU of our trainer", (f"{x:.1%}" for x in mfu.values())))
    return "\n".join(lines) + "\n", mfu


def _pace(pace: float, ratio: float) -> str:
    return "–" if math.isnan(pace) else f"{pace:.3g} (×{ratio:.2f})"


def _line(name: str, cells: Iterator[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def equivalence() -> str:
    """Losses of 200 steps, ours and the released loop's, in Markdown."""
    lines = ["| phase, ours | step | ours | released, padding masked | released | largest difference |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for phase, precision, most in ((1, "fp32", 300), (3, "fp32", 100_000), (3, "bf16", 100_000)):
        with tempfile.TemporaryDirectory() as directory:
            steps = our_steps(Path(directory), phase, precision, most)
        ours, masked, counted = [s.loss for s in steps], *(released_losses(steps, phase, c) for c in (False, True))
        largest = f"{largest_difference(ours, masked):.1e}"
        for i in (0, 49, 99, 199):
            cells = [f"{i + 1}", *(f"{found[i]:.4f}" for found in (ours, masked, counted)), largest if i == 199 else ""]
            lines.append(_line(f"{phase}, {precision}" if i == 0 else "", iter(cells)))
    return "\n".join(lines) + "\n"


def matrix(mfu: dict[tuple[str, int], float]) -> str:
    """GPU hours of every row of tables 1, 2 and 6, in Markdown; what an earlier row has trained costs nothing."""
    settings = yaml.safe_load((ROOT / "config" / "table6.yaml").read_text(encoding="utf-8"))
    models = {k: Model.model_validate(row) for k, row in (SETTINGS["models"] | settings["models"]).items()}
    split, seeds = SETTINGS["benchmark"]["split"], len(SETTINGS["seeds"])
    training = sum(STAYS.values()) * (1 - split["test"]) * (1 - split["validation"])
    lines = ["| row of `models` | backbone | phases | PFLOP an epoch | hours an epoch | hours in all | MFU |"]
    lines.append("|---|---|---|---:|---:|---:|---|")
    trained, total = set(), 0.0
    for name, model in models.items():
        flop, hours, phases = 0.0, 0.0, []
        for phase in (int(stage[-1]) for stage in model.stages if stage.startswith("phase")):
            key = (phase, model.backbone, model.target, model.teacher, model.vocabulary if phase > 1 else None)
            if key not in trained:
                trained.add(key)
                work = training * flops(model.backbone, phase)(*lengths(20_000, phase, model.target == "rationales"))
                flop += work.mean()
                hours += work.mean() / (PEAKS[CARD] * mfu.get((model.backbone, phase), ASSUMED_MFU)) / 3600
                phases.append(str(phase))
        total += hours
        kind = "measured" if any((model.backbone, p) in mfu for p in PHASES) else f"{ASSUMED_MFU:.0%} assumed"
        cells = [model.backbone, ", ".join(phases) or "–", f"{flop / 1e15:,.0f}", f"{hours:.2f}"]
        lines.append(_line(f"`{name}`", iter([*cells, f"{hours * seeds * ASSUMED_EPOCHS:,.0f}", kind])))
    cells = ["", "", "", f"{total:.1f}", f"{total * seeds * ASSUMED_EPOCHS:,.0f}", ""]
    return "\n".join([*lines, _line("all", iter(cells))]) + "\n"


def memory_table() -> str:
    """What a micro-batch of the longest texts takes, in Markdown."""
    lines = ["| backbone, phase | fixed, GB | a sample, eager | fused | fit into 80 GB, eager | fused |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for name in SHAPES:
        for phase in (1, 3):
            m = memory(name, phase, TEXTS.max_note_tokens, TEXTS.max_target_tokens)
            cells = [f"{m.fixed:.1f}", f"{m.eager:.2f}", f"{m.fused:.2f}"]
            lines.append(_line(f"{name}, {phase}", iter([*cells, *(str(m.most_samples(80, f)) for f in (0, 1))])))
    return "\n".join(lines) + "\n"


def conditions(run: Run) -> str:
    """When and on what it was measured."""
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), platform.machine())
    where = f"{name}, one thread, seconds of CPU"
    if run.device.type == "cuda":
        where = torch.cuda.get_device_name(run.device)
    return (
        f"{date.today()}, {where}, PyTorch {torch.__version__}; the shape of {run.backbone}, {run.samples} samples, "
        f"{run.micro_batch} at once, our trainer in {run.precision}. "
        f"`make bench-training DEVICE={run.device.type} "
        f"BACKBONE={run.backbone} SAMPLES={run.samples}`.\n"
    )


def write(name: str, text: str) -> None:
    """Put results between the markers of this name in docs/performance.md."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise SystemExit(f"{PAGE} has no line {begin.strip()}")
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--backbone", choices=list(SHAPES), default="flan-t5-small")
    parser.add_argument("--samples", type=int, help="default: 12, on a GPU 1,200")
    parser.add_argument("--micro-batch", type=int, help="samples at once; default: 2, on a GPU 12 as released")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16", help="of our trainer")
    parser.add_argument("--only", choices=["speed", "curves", "matrix", "memory"], help="one of the tables")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")
    given = parser.parse_args()
    small = given.device == "cpu"
    if small:
        # Other work on the machine then changes a ratio of two times of CPU least.
        torch.set_num_threads(1)
    samples, size = given.samples or (12 if small else 1200), given.micro_batch or (2 if small else 12)
    run = Run(given.backbone, torch.device(given.device), samples, size, given.precision)
    mfu: dict[tuple[str, int], float] = {}
    tables = {"curves": equivalence, "matrix": lambda: matrix(mfu), "memory": memory_table}
    if given.only in (None, "speed"):
        table, mfu = speed(run, measured(run))
        tables = {"speed": lambda: f"{conditions(run)}\n{table}"} | tables
    for name, make in tables.items():
        if given.only in (None, name):
            text = make()
            print(f"\n{text}", flush=True)
            if given.write:
                write(name, text)


if __name__ == "__main__":
    main()
