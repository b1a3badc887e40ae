"""The results directory in the commands that pages print."""

from pathlib import Path


def shown_tree(tree: Path) -> str:
    """Return the results directory for commands; of an absolute path only its name, as locations are private."""
    return tree.name if tree.is_absolute() else tree.as_posix()
