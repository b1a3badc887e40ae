"""The vocabulary file that stage knowledge writes (V^k of equation 5)."""

import json
from pathlib import Path


def read_vocabulary(path: Path) -> list[int]:
    """Token ids of the vocabulary, ascending."""
    return json.loads(path.read_text(encoding="utf-8"))["ids"]
