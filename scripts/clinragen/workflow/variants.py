"""Which files a variant changes: its name is part of exactly their paths."""

import re

from clinragen.config.root import Config

# The files that a variant may change: the settings in the params of the rule that makes them, and the files of this
# list that it reads. tests/workflow/test_variants.py compares it with the rules.
MADE_FROM: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "split": (("benchmark.split",), ()),
    "courses": (("benchmark.course",), ()),
    "samples": ((), ("split", "courses")),
    "series": (("benchmark.series",), ("split",)),
    "captions": (("benchmark.series.variables", "benchmark.captions"), ("split",)),
    "notes": ((), ("samples", "courses")),
    "labs": ((), ("notes", "samples", "courses", "captions")),
    "note_tokens": (("student.texts.max_note_tokens",), ("samples", "courses")),
    "target_tokens": (("student.texts.max_target_tokens",), ("samples", "notes", "labs")),
    "phase1": (("student.texts", "train.phase1", "train.optimizer"), ("note_tokens", "target_tokens")),
    "phase2": (
        (
            "student.fusion",
            "train.instruction_in_phase2",
            "benchmark.series.max_steps",
            "train.phase2",
            "train.optimizer",
        ),
        ("phase1", "target_tokens", "series"),
    ),
    "caption_tokens": ((), ("samples", "captions")),
    "joint": (
        (
            "student.texts",
            "student.max_note_and_captions_tokens",
            "student.fusion",
            "student.soft_prompt",
            "benchmark.series.max_steps",
            "train.joint",
            "train.optimizer",
        ),
        ("note_tokens", "caption_tokens", "target_tokens", "series"),
    ),
    "lora": (
        (
            "student.texts",
            "student.max_note_and_captions_tokens",
            "student.fusion",
            "student.soft_prompt",
            "benchmark.series.max_steps",
            "train.lora",
            "train.optimizer",
        ),
        ("note_tokens", "caption_tokens", "target_tokens", "series"),
    ),
    "frozen": (
        (
            "student.texts",
            "student.max_note_and_captions_tokens",
            "student.fusion",
            "student.soft_prompt",
            "benchmark.series.max_steps",
            "train.frozen",
            "train.optimizer",
        ),
        ("phase1", "note_tokens", "caption_tokens", "target_tokens", "series"),
    ),
    "phase3": (
        ("train.phase3", "train.optimizer", "train.freeze_encoder_in_phase3"),
        ("phase2", "note_tokens", "target_tokens", "series"),
    ),
}
# Files and settings that matter only to models that read this part.
OF_PART = {
    "captions": {"caption_tokens", "student.max_note_and_captions_tokens"},
    "series": {"series", "student.fusion", "benchmark.series.max_steps"},
    "soft prompts": {"student.soft_prompt"},
}
NOTE_ONLY = "note-"
"""Prefix of the target, in paths, of students that learn no R^t."""
RATIONALE_FIRST = "first-"
"""Prefix of the target, in paths, of students that write the diagnoses last."""
KIND = re.compile(rf"[/_]({'|'.join(MADE_FROM)})(?=[/._]|$)")


def suffix(config: Config, variant: str | None, kind: str, target: str, parts: str | None = None) -> str:
    """Return the variant's mark in a path: `+<name>` if it changes this kind of file, else the empty string.

    A training depends only on the rationales in its target and on the inputs that its `parts` name: settings of
    other inputs leave its path unchanged.
    """
    rationales = target.removeprefix(RATIONALE_FIRST)
    unread = {"notes", "labs"} if target == "diagnoses" else {"labs"} if rationales.startswith(NOTE_ONLY) else set()
    row = next((row for row in config.models.values() if row.parts_name == parts), None)
    if row is not None:
        own = {*row.reads, *["soft prompts"] * (row.soft_prompts is not None)}
        unread = unread.union(*(read for part, read in OF_PART.items() if part not in own))
    return f"+{variant}" if variant and _changes(config, variant, kind, unread) else ""


def kind_of(pattern: str) -> str | None:
    """Return the kind of file that a path names; None if no variant changes it."""
    return next(reversed(KIND.findall(pattern)), None)


def _changes(config: Config, variant: str, kind: str, unread: set[str]) -> bool:
    settings, files = MADE_FROM[kind]
    return any(config.changes(variant, place) for place in settings if place not in unread) or any(
        _changes(config, variant, file, unread) for file in files if file not in unread
    )
