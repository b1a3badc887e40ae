"""Origin and content of a directory of fetched weights, in its `source.json`."""

import json
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import describe

FILE = "source.json"


def write_source(directory: Path, facts: dict[str, str]) -> None:
    """Add `source.json` to an otherwise complete directory: facts about the source, and the hash of the other files."""
    facts = facts | {"content": describe(directory)["sha256"]}
    (directory / FILE).write_text(json.dumps(facts) + "\n", encoding="utf-8")


def read_source(directory: Path) -> dict[str, str]:
    """Return source, revision, commit (if from the hub) and `content`: the SHA-256 of names and contents.

    Equal weights have equal `content`, wherever they come from. UserError if it is missing.
    """
    try:
        facts = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or "content" not in facts:
        raise UserError(
            f"{directory / FILE} does not say which weights these are; delete {directory} and fetch them again"
        )
    return facts
