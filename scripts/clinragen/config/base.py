"""The base of every settings section."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

# Snakemake reads braces as wildcards and angle brackets as pathvars; control characters break logs and command lines.
UNUSABLE = re.compile(r"[{}<>\x00-\x1f\x7f]")


class Section(BaseModel):
    """A section of config.yaml: every key is required there, unknown keys are errors.

    The string under a field is its documentation in docs/config.md. Fields have no defaults: config.yaml is the only
    place that sets a value. The exception are rows that users add, `llms` and `llm_transport`, which would otherwise
    have to copy a dozen keys, and `variants`, which hold differences.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def usable_path(text: str | None) -> str | None:
    """A configured path with `~` expanded; ValueError where Snakemake cannot use it."""
    if text and (bad := UNUSABLE.search(text)):
        raise ValueError(f"{text!r} contains {bad[0]!r}, which Snakemake cannot use in a path; rename it or use a link")
    try:
        return str(Path(text).expanduser()) if text and text.startswith("~") else text
    except RuntimeError:
        raise ValueError(f"{text!r}: unknown home directory; write the whole path") from None
