"""The three phases: what each reads, what it writes, what it trains (section 3.2 of the paper)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from clinragen.config.student import Fusion, Texts
from clinragen.errors import UserError
from clinragen.model.inputs import Sample, channels_of, encode, load_tokenizer, read_samples
from clinragen.model.student import BACKBONE, Modality, Student
from clinragen.model.vocabulary import read_vocabulary
from clinragen.train.trainer import Job, finish, train_student

log = logging.getLogger("train")
# Removes the checkpoints of a training; every phase returns it, to be called once its student is committed.
Release = Callable[[], None]


@dataclass(frozen=True)
class Plan:
    """One phase: its modality, whether R^m belongs to its target, and the parts that it keeps as they are."""

    modality: Modality
    note_rationale: bool
    frozen: tuple[Literal["backbone", "encoder"], ...] = ()
    without_notes: bool = False
    """Give it the instruction where a note would be."""


PHASE1 = Plan("notes", note_rationale=True)
PHASE2 = Plan("labs", note_rationale=False, frozen=("backbone",))
PHASE3 = Plan("both", note_rationale=True)


def train_phase1(job: Job, backbone: Path, texts: Texts, folder: Path) -> Release:
    """L_note(theta), equation 4: the language model alone learns D, R^m and R^t from M."""
    return _train(job, PHASE1, Student.from_backbone(backbone, texts, PHASE1.modality), backbone, folder)


def train_phase2(
    job: Job, phase1: Path, fusion: Fusion, steps: int, vocabulary: Path, instruction: bool, folder: Path
) -> Release:
    """L_lab(phi), equation 7: new encoder and attention learn D and R^t before the frozen model of phase 1."""
    plan = replace(PHASE2, modality="both", without_notes=True) if instruction else PHASE2
    student = Student.load(phase1, plan.modality)
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
    student = Student.load(phase2, plan.modality)
    if student.encoder is None:
        raise UserError(f"{phase2}: reads no series; phase 3 starts from a student of phase 2")
    return _train(job, plan, student, phase2 / BACKBONE, folder)


def _train(job: Job, plan: Plan, student: Student, start: Path, folder: Path) -> Release:
    student.freeze(*plan.frozen)
    tokenizer = load_tokenizer(start)
    encoded = {}
    for split in ("train", "validation"):
        samples = read_samples(job.files, split, plan.note_rationale)
        if split == "train" and job.optimizer.marked_samples == "leave_out":
            samples = _without_marked(samples)
        if plan.without_notes:
            samples = [replace(sample, note="") for sample in samples]
        encoded[split] = encode(samples, tokenizer, student.texts)
        log.info("%s split: %s", split, ", ".join(f"{n} {what}" for what, n in count_cuts(encoded[split]).items()))
    log.info("parameters: %s, frozen: %s", student.parameter_counts(), plan.frozen or "none")
    history, release = train_student(student, encoded["train"], encoded["validation"], tokenizer, job)
    finish(student, tokenizer, {split: count_cuts(rows) for split, rows in encoded.items()}, history, folder)
    return release


def _without_marked(samples: list[Sample]) -> list[Sample]:
    good = [sample for sample in samples if not sample.marked]
    log.info("left out %d of %d training samples, whose rationales are marked", len(samples) - len(good), len(samples))
    return good


def count_cuts(rows: list[dict]) -> dict[str, int]:
    """Encoded samples, those whose note or target is longer than the texts may be, and those that are marked."""
    cut = {f"{part}s cut": sum(part in row["cut"] for row in rows) for part in ("note", "target")}
    return {"samples": len(rows), "marked": sum(row["marked"] for row in rows)} | cut
