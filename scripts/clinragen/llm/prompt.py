"""A prompt: a text file with named slots, and the version that is recorded with each answer."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from clinragen.errors import UserError


@dataclass(frozen=True)
class Prompt:
    """A template with checked slots; its version is the SHA-256 of the file."""

    text: str
    version: str
    slots: frozenset[str]

    def render(self, **values: str) -> str:
        """Return the prompt with every slot filled; ValueError if a value is missing or has no slot."""
        if set(values) != self.slots:
            raise ValueError(f"the prompt has the slots {sorted(self.slots)}, but the values are {sorted(values)}")
        return Template(self.text).substitute(values)


def cut_note(note: str, most: int | None) -> tuple[str, int]:
    """Return the note cut to at most `most` characters (None: no limit), and the number of characters removed.

    It is cut after a word, or within the first one if that alone is too long.
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
    """Read a template that must have exactly these `$slots`; UserError if it has others, or is not UTF-8."""
    data = path.read_bytes()
    try:
        template = Template(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in UTF-8; save it in that encoding") from None
    if not template.is_valid():
        raise UserError(f"{path}: stray '$' outside a placeholder; write $$ for a dollar sign")
    present = set(template.get_identifiers())
    if present != slots:
        wrong = {"missing": sorted(slots - present), "unknown": sorted(present - slots)}
        said = ", ".join(f"{kind} placeholders {names}" for kind, names in wrong.items() if names)
        raise UserError(f"{path}: {said}; required: {sorted(slots)}")
    return Prompt(template.template, hashlib.sha256(data).hexdigest(), frozenset(slots))
