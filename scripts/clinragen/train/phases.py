"""Every training: the three phases of section 3.2 of the paper, and the single stages of the other rows of Table 1."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from clinragen.config.student import Fusion, Read, Texts
from clinragen.config.train import Lora
from clinragen.errors import UserError
from clinragen.model.device import own_device, prepare_device
from clinragen.model.inputs import Collator, Row, channels_of, length_of, read_samples, with_room_for_captions
from clinragen.model.series_encoder import SeriesEncoder
from clinragen.model.student import BACKBONE, FACTS, Base, Student
from clinragen.model.tokens import encode_notes, load_tokenizer
from clinragen.model.vocabulary import read_vocabulary
from clinragen.registry.tokenizer import marks_of
from clinragen.train.job import Job, OneStage
from clinragen.train.task import Writing
from clinragen.train.trainer import Training, finish, log_counts, train_student

log = logging.getLogger("train")
ENCODED_TOGETHER = 64


@dataclass(frozen=True)
class Plan:
    """One phase: what it reads and the parts that it freezes; its files determine the targets."""

    reads: tuple[Read, ...]
    frozen: tuple[Literal["backbone", "encoder"], ...] = ()
    without_notes: bool = False
    """Give it the instruction in place of a note."""


PHASE1 = Plan(("note",))
PHASE2 = Plan(("series",), frozen=("backbone",))
PHASE3 = Plan(("note", "series"))


def train_phase1(job: Job, backbone: Path, texts: Texts, directory: Path) -> Training:
    """Train the language model alone on D, R^m and R^t from M: L_note(theta), equation 4."""
    return _train(job, PHASE1, Student.from_backbone(backbone, texts, PHASE1.reads), backbone, directory)


def train_phase2(
    job: Job, phase1: Path, fusion: Fusion, steps: int, vocabulary: Path, instruction: bool, directory: Path
) -> Training:
    """Train new encoder and attention in front of the frozen model of phase 1 on D and R^t: L_lab(phi), equation 7."""
    plan = replace(PHASE2, reads=PHASE3.reads, without_notes=True) if instruction else PHASE2
    student = Student.load(phase1, plan.reads)
    if student.encoder is not None:
        raise UserError(f"{phase1}: reads series already; phase 2 starts from a student of phase 1")
    token_ids = read_vocabulary(vocabulary, load_tokenizer(phase1 / BACKBONE))
    # New weights depend on the seed, not only the order of the samples.
    torch.manual_seed(job.seed)
    student.add_series_parts(fusion, channels_of(job.files.series), steps, token_ids)
    return _train(job, plan, student, phase1 / BACKBONE, directory)


def train_phase3(job: Job, phase2: Path, freeze_encoder: bool, directory: Path) -> Training:
    """Train everything, starting from the weights of phases 1 and 2: L_mm(theta, phi), equation 8."""
    plan = replace(PHASE3, frozen=("encoder",)) if freeze_encoder else PHASE3
    student = Student.load(phase2, plan.reads)
    if student.encoder is None:
        raise UserError(f"{phase2}: reads no series; phase 3 starts from a student of phase 2")
    return _train(job, plan, student, phase2 / BACKBONE, directory)


def train_joint(job: Job, stage: OneStage, directory: Path) -> Training:
    """Train the language model and everything in front of it at once, in one stage."""
    plan = Plan(tuple(stage.parts.reads))
    student = Student.from_backbone(stage.base, stage.texts, plan.reads)
    _add_parts(student, stage, stage.base, job)
    return _train(job, plan, student, stage.base, directory)


def train_lora(job: Job, stage: OneStage, lora: Lora, directory: Path) -> Training:
    """Train adapters of a language model and everything in front of it, in one stage.

    With precision bf16 the frozen weights of the language model take half of the memory.
    """
    plan = Plan(tuple(stage.parts.reads))
    dtype = torch.bfloat16 if job.optimizer.precision == "bf16" else torch.float32
    student = Student.from_backbone(stage.base, stage.texts, plan.reads, dtype)
    _add_parts(student, stage, stage.base, job)
    student.add_adapters(lora, Base.of(stage.base, dtype))
    return _train(job, plan, student, stage.base, directory)


def train_frozen(job: Job, stage: OneStage, directory: Path) -> Training:
    """Train everything in front of a frozen language model, in one stage (FROZEN).

    The stage starts from a student of phase 1, or from a language model as it was fetched.
    """
    plan, backbone = Plan(tuple(stage.parts.reads), frozen=("backbone",)), stage.base
    if (stage.base / FACTS).is_file():
        student, backbone = Student.load(stage.base, plan.reads), stage.base / BACKBONE
        # Phase 1 read no captions, which may have more room.
        student.texts = stage.texts
    else:
        student = Student.from_backbone(backbone, stage.texts, plan.reads)
    _add_parts(student, stage, backbone, job)
    return _train(job, plan, student, backbone, directory)


def _add_parts(student: Student, stage: OneStage, backbone: Path, job: Job) -> None:
    # New weights depend on the seed, not only the order of the samples.
    torch.manual_seed(job.seed)
    parts = stage.parts
    if parts.series:
        assert parts.fusion is not None and parts.steps is not None
        token_ids = read_vocabulary(stage.vocabulary, load_tokenizer(backbone)) if stage.vocabulary else None
        channels = channels_of(job.files.series)
        student.add_series_parts(parts.fusion, channels, parts.steps, token_ids, stage.text_encoder)
    if parts.soft_prompts:
        assert parts.soft_prompt is not None
        student.add_soft_prompts(parts.soft_prompts, parts.soft_prompt)


def _train(job: Job, plan: Plan, student: Student, start: Path, directory: Path) -> Training:
    student.freeze(*plan.frozen)
    tokenizer = load_tokenizer(start)
    rows = {split: read_samples(job.files, split) for split in ("train", "validation")}
    if job.optimizer.marked_samples == "leave_out":
        rows["train"] = _without_marked(rows["train"])
    if plan.without_notes:
        (empty,) = encode_notes([""], tokenizer, student.texts.max_note_tokens)
        rows = {split: [with_note(row, empty["tokens"]) for row in samples] for split, samples in rows.items()}
    most, end = student.texts.max_note_tokens, marks_of(tokenizer).end
    rows = {split: with_room_for_captions(samples, most, end) for split, samples in rows.items()}
    counts = {split: count_cuts(samples) for split, samples in rows.items()}
    log_counts(counts)
    log.info("parameters: %s, frozen: %s", student.parameter_counts(), plan.frozen or "none")
    if "encoder" in plan.frozen and student.encoder and student.shape and student.encoder.tokens == 1:
        prepare_device(job.launch.device, job.optimizer.precision, "train.launch.device")
        collate, encoder = Collator(tokenizer, student.shape.steps), student.encoder.to(own_device(job.launch.device))
        rows = {split: encode_series(encoder, samples, collate) for split, samples in rows.items()}
    training = train_student(student, rows["train"], rows["validation"], Writing(tokenizer), job)
    finish(partial(student.save, tokenizer=tokenizer), counts, training, directory)
    return training


def _without_marked(rows: list[Row]) -> list[Row]:
    good = [row for row in rows if not row["marked"]]
    log.info("left out %d of %d training samples, whose rationales are marked", len(rows) - len(good), len(rows))
    return good


def with_note(row: Row, note: list[int]) -> Row:
    """Return the sample with these tokens in place of its note."""
    row = row | {"input_ids": np.array(note, dtype=np.int32), "note_cut": False}
    return row | {"length": length_of(row)}


@torch.inference_mode()
def encode_series(encoder: SeriesEncoder, rows: list[Row], collate: Collator) -> list[Row]:
    """Return the samples with the vectors [channels, width] of a frozen encoder in place of their series."""
    device, encoded = next(encoder.parameters()).device, []
    for start in range(0, len(rows), ENCODED_TOGETHER):
        samples = rows[start : start + ENCODED_TOGETHER]
        batch = collate([{"series": row["series"]} for row in samples])
        vectors, _ = encoder.eval()(batch["series"].to(device), batch["steps"].to(device))
        pairs = zip(samples, vectors.cpu().numpy(), strict=True)
        encoded += [{k: v for k, v in row.items() if k != "series"} | {"vectors": vector} for row, vector in pairs]
    return encoded


def count_cuts(rows: list[Row]) -> dict[str, int]:
    """Count the samples, those whose note or target is cut, and those that are marked."""
    cut = {f"{part}s cut": sum(row.get(f"{part}_cut", False) for row in rows) for part in ("note", "target")}
    return {"samples": len(rows), "marked": sum(row["marked"] for row in rows)} | cut
