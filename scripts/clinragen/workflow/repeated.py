"""Keys that a file of settings has twice in one mapping: YAML silently keeps the last."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml


def stop_if_keys_repeat(paths: Iterable[Path | str]) -> None:
    """Raise SystemExit naming file, line and key of every repeated key in files of settings."""
    lines = [f"  - {path}, line {line}: {key}" for path in paths for line, key in repeated_keys(Path(path))]
    if lines:
        raise SystemExit("\n".join(["repeated keys, of which only the last would be read; merge them:", *lines]))


def repeated_keys(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line, counted from 1, and dotted key of every key that repeats one in its mapping."""
    with path.open(encoding="utf-8") as file:
        root = yaml.compose(file, Loader=yaml.CSafeLoader)
    if root is not None:
        yield from _repeated(root, "", set())


def _repeated(node: yaml.Node, prefix: str, visited: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in visited:  # by an anchor
        return
    visited.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{prefix}{number}.", visited)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in names:
                yield key.start_mark.line + 1, prefix + name
            names.add(name)
            yield from _repeated(value, f"{prefix}{name}.", visited)
