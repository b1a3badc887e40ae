"""The base of every settings section."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

# Snakemake reads braces as wildcards and angle brackets as path variables; control characters break logs and commands.
UNUSABLE = re.compile(r"[{}<>\x00-\x1f\x7f]")


class Section(BaseModel):
    """A section of config.yaml: every key is required there, unknown keys are errors.

    The string under a field is its documentation in docs/config.md. Fields have no defaults, so that config.yaml is the
    only place that sets a value. Exceptions are rows that users add (`llms`, `llm_transport`), which would otherwise
    copy a dozen keys, and `variants`, which contain only differences.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def usable_path(text: str) -> str:
    """Return a configured path with `~` expanded; ValueError if Snakemake cannot use it."""
    if bad := UNUSABLE.search(text):
        raise ValueError(f"{text!r} contains {bad[0]!r}, which Snakemake cannot use in a path; rename it or use a link")
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError:
        raise ValueError(f"{text!r}: unknown home directory; write the full path") from None


UsablePath = Annotated[str, AfterValidator(usable_path)]
"""The path of a file or directory, or the name of a model where that may be one."""
