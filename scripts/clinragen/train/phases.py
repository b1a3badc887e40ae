"""Every training: the three phases of section 3.2 of the paper, and the single stages of the other rows of Table 1."""

import logging
from collections.abc import Callable
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
from clinragen.model.student import BACKBONE, FACTS, Base, Student
from clinragen.model.tokens import encode_notes, load_tokenizer
from clinragen.model.vocabulary import read_vocabulary
from clinragen.registry.tokenizer import marks_of
from clinragen.train.job import Job, NewParts
from clinragen.train.task import Writing
from clinragen.train.trainer import finish, train_student

log = logging.getLogger("train")
ENCODED_TOGETHER = 64
# Removes the checkpoints of a training; every phase returns it, to be called once its student is committed.
Release = Callable[[], None]


@dataclass(frozen=True)
class Plan:
    """One phase: what it reads and the parts that it keeps as they are; its files say what its targets are."""

    reads: tuple[Read, ...]
    frozen: tuple[Literal["backbone", "encoder"], ...] = ()
    without_notes: bool = False
    """Give it the instruction where a note would be."""


PHASE1 = Plan(("note",))
PHASE2 = Plan(("series",), frozen=("backbone",))
PHASE3 = Plan(("note", "series"))


def train_phase1(job: Job, backbone: Path, texts: Texts, folder: Path) -> Release:
    """L_note(theta), equation 4: the language model alone learns D, R^m and R^t from M."""
    return _train(job, PHASE1, Student.from_backbone(backbone, texts, PHASE1.reads), backbone, folder)


def train_phase2(
    job: Job, phase1: Path, fusion: Fusion, steps: int, vocabulary: Path, instruction: bool, folder: Path
) -> Release:
    """L_lab(phi), equation 7: new encoder and attention learn D and R^t before the frozen model of phase 1."""
    plan = replace(PHASE2, reads=PHASE3.reads, without_notes=True) if instruction else PHASE2
    student = Student.load(phase1, plan.reads)
    if student.encoder is not None:
        raise UserError(f"{phase1}: reads series already; phase 2 starts from a student of phase 1")
    token_ids = read_vocabulary(vocabulary, load_tokenizer(phase1 / BACKBONE))
    # The weights that are new here depend on the seed, not only the order of the samples.
    torch.manual_seed(job.seed)
    student.add_series_parts(fusion, channels_of(job.files.series), steps, token_ids)
    return _train(job, plan, student, phase1 / BACKBONE, folder)


def train_phase3(job: Job, phase2: Path, freeze_encoder: bool, folder: Path) -> Release:
    """L_mm(theta, phi), equation 8: everything learns on, starting from the phase 1 and 2 weights."""
    plan = replace(PHASE3, frozen=("encoder",)) if freeze_encoder else PHASE3
    student = Student.load(phase2, plan.reads)
    if student.encoder is None:
        raise UserError(f"{phase2}: reads no series; phase 3 starts from a student of phase 2")
    return _train(job, plan, student, phase2 / BACKBONE, folder)


def train_joint(job: Job, backbone: Path, texts: Texts, new: NewParts, folder: Path) -> Release:
    """One stage: the language model and all that stands before it learn at once."""
    plan = Plan(tuple(new.parts.reads))
    student = Student.from_backbone(backbone, texts, plan.reads)
    _add(new, student, backbone, job)
    return _train(job, plan, student, backbone, folder)


def train_lora(job: Job, backbone: Path, texts: Texts, new: NewParts, lora: Lora, folder: Path) -> Release:
    """One stage: all that stands before a language model learns, and of it adapters alone.

    With precision bf16 its own weights, which never change, take half of the memory.
    """
    plan = Plan(tuple(new.parts.reads))
    dtype = torch.bfloat16 if job.optimizer.precision == "bf16" else torch.float32
    student = Student.from_backbone(backbone, texts, plan.reads, dtype)
    _add(new, student, backbone, job)
    student.add_adapters(lora, Base.of(backbone, dtype))
    return _train(job, plan, student, backbone, folder)


def train_frozen(job: Job, start: Path, texts: Texts, new: NewParts, directory: Path) -> Release:
    """One stage in front of a frozen language model: a student of phase 1, or a model as it was fetched (FROZEN)."""
    plan = Plan(tuple(new.parts.reads), frozen=("backbone",))
    if (start / FACTS).is_file():
        student, start = Student.load(start, plan.reads), start / BACKBONE
        # Phase 1 read no captions, which may have more room.
        student.texts = texts
    else:
        student = Student.from_backbone(start, texts, plan.reads)
    _add(new, student, start, job)
    return _train(job, plan, student, start, directory)


def _add(new: NewParts, student: Student, start: Path, job: Job) -> None:
    # The weights that are new here depend on the seed, not only the order of the samples.
    torch.manual_seed(job.seed)
    if new.parts.series:
        token_ids = read_vocabulary(new.vocabulary, load_tokenizer(start)) if new.vocabulary else None
        channels = channels_of(job.files.series)
        student.add_series_parts(new.parts.fusion, channels, new.parts.steps, token_ids, new.text_encoder)
    if new.parts.soft_prompts:
        student.add_soft_prompts(new.parts.soft_prompts, new.parts.soft_prompt)


def _train(job: Job, plan: Plan, student: Student, start: Path, folder: Path) -> Release:
    student.freeze(*plan.frozen)
    tokenizer = load_tokenizer(start)
    rows = {split: read_samples(job.files, split) for split in ("train", "validation")}
    if job.optimizer.marked_samples == "leave_out":
        rows["train"] = _without_marked(rows["train"])
    if plan.without_notes:
        (empty,) = encode_notes([""], tokenizer, student.texts.max_note_tokens)
        rows = {split: [with_note(row, empty["tokens"]) for row in found] for split, found in rows.items()}
    most, end = student.texts.max_note_tokens, marks_of(tokenizer).end
    rows = {split: with_room_for_captions(found, most, end) for split, found in rows.items()}
    counts = {split: count_cuts(found) for split, found in rows.items()}
    for split, found in counts.items():
        log.info("%s split: %s", split, ", ".join(f"{n} {what}" for what, n in found.items()))
    log.info("parameters: %s, frozen: %s", student.parameter_counts(), plan.frozen or "none")
    if "encoder" in plan.frozen and student.encoder.tokens == 1:
        prepare_device(job.launch.device, job.optimizer.precision, "train.launch.device")
        collate, device = Collator(tokenizer, student.shape.steps), own_device(job.launch.device)
        rows = {split: encode_series(student.to(device), found, collate, device) for split, found in rows.items()}
    training = train_student(student, rows["train"], rows["validation"], Writing(tokenizer), job)
    finish(partial(student.save, tokenizer=tokenizer), counts, training, folder)
    return training.release


def _without_marked(rows: list[Row]) -> list[Row]:
    good = [row for row in rows if not row["marked"]]
    log.info("left out %d of %d training samples, whose rationales are marked", len(rows) - len(good), len(rows))
    return good


def with_note(row: Row, note: list[int]) -> Row:
    """The sample with these tokens in place of its note."""
    row = row | {"input_ids": np.array(note, dtype=np.int32), "note_cut": False}
    return row | {"length": length_of(row)}


@torch.inference_mode()
def encode_series(student: Student, rows: list[Row], collate: Collator, device: torch.device) -> list[Row]:
    """The samples with the vectors [channels, width] of a frozen encoder in place of their series."""
    found: list[Row] = []
    for start in range(0, len(rows), ENCODED_TOGETHER):
        chosen = rows[start : start + ENCODED_TOGETHER]
        batch = collate([{"series": row["series"]} for row in chosen])
        vectors, _ = student.encoder.eval()(batch["series"].to(device), batch["steps"].to(device))
        pairs = zip(chosen, vectors.cpu().numpy(), strict=True)
        found += [{k: v for k, v in row.items() if k != "series"} | {"vectors": vector} for row, vector in pairs]
    return found


def count_cuts(rows: list[Row]) -> dict[str, int]:
    """Samples, those whose note or target is longer than the texts may be, and those that are marked."""
    cut = {f"{part}s cut": sum(row.get(f"{part}_cut", False) for row in rows) for part in ("note", "target")}
    return {"samples": len(rows), "marked": sum(row["marked"] for row in rows)} | cut
