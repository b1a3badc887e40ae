"""A prompt: a text file with named slots, and the version that is recorded with each answer."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from clinragen.errors import UserError


@dataclass(frozen=True)
class Prompt:
    """A template whose slots were checked; its version is the SHA-256 of the file."""

    text: str
    version: str
    slots: frozenset[str]

    def render(self, **values: str) -> str:
        """The prompt with every slot filled; ValueError when a value is missing or has no slot."""
        if set(values) != self.slots:
            raise ValueError(f"the prompt has the slots {sorted(self.slots)}, values came for {sorted(values)}")
        return Template(self.text).substitute(values)


def cut_note(note: str, most: int | None) -> tuple[str, int]:
    """The note without its end where it has more than `most` characters, and how many were cut.

    It is cut after a word, or within the first one if that alone is too long; None never cuts.
    """
    if most is None or len(note) <= most:
        return note, 0
    kept = note[:most]
    within_word = re.search(r"(?<=\S)\s+\S+$", kept)
    if within_word and not note[most].isspace():
        kept = kept[: within_word.start()]
    kept = kept.rstrip()
    return kept, len(note) - len(kept)


def read_prompt(path: Path, slots: set[str]) -> Prompt:
    """Read a template that must have exactly these `$slots`."""
    data = path.read_bytes()
    template = Template(data.decode("utf-8"))
    if not template.is_valid():
        raise UserError(f"{path}: stray '$' outside a placeholder; write $$ for a dollar sign")
    found = set(template.get_identifiers())
    if found != slots:
        lacking, unknown = sorted(slots - found), sorted(found - slots)
        raise UserError(
            f"{path}: missing placeholders {lacking}, unknown placeholders {unknown}; required: {sorted(slots)}"
        )
    return Prompt(template.template, hashlib.sha256(data).hexdigest(), frozenset(slots))
