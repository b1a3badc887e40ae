"""The stop words of resources/stop_words.txt."""

from pathlib import Path


def read_stop_words(path: Path) -> frozenset[str]:
    """Return the stop words: one per line; lines that begin with # are comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(w.strip() for w in lines if w.strip() and not w.startswith("#"))
