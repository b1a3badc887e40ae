"""A directory of fetched weights says in `source.json` where they come from and what they are."""

import json
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import describe

FILE = "source.json"


def write_source(folder: Path, facts: dict[str, str]) -> None:
    """Add `source.json` to a directory that is otherwise complete: facts about the source, and the hash of the rest."""
    facts = facts | {"content": describe(folder)["sha256"]}
    (folder / FILE).write_text(json.dumps(facts) + "\n", encoding="utf-8")


def read_source(folder: Path) -> dict[str, str]:
    """Source, revision, the commit if it came from the hub, and `content`: the SHA-256 of names and contents.

    Equal weights have equal contents, wherever they were fetched from or lie. UserError where the file has none.
    """
    try:
        facts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or "content" not in facts:
        raise UserError(f"{folder / FILE} does not say which weights these are; delete {folder}, and fetch them again")
    return facts
