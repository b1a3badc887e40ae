"""Mistakes in files of settings that cannot be seen once Snakemake has merged them."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

# Sections of rows by name, in which null omits a row.
NAMED = ("variants", "models", "asked", "classifiers", "backbones", "encoders", "llms", "llm_transport")


def stop_if_wrong(paths: Iterable[Path | str], merged: dict[str, Any], others: Iterable[Path] = ()) -> None:
    """Raise SystemExit naming file and key of every key that is repeated, and of every null without a row to omit.

    A file may omit rows of `others`, with which it may be used at another time.
    """
    files = [Path(path) for path in paths]
    lines = [f"  - {path}, line {line}: {key}" for path in files for line, key in repeated_keys(path)]
    if lines:
        raise SystemExit("\n".join(["repeated keys, of which only the last would be read; merge them:", *lines]))
    lines = [f"  - {path}: {words}" for path, words in nulls_without_row(files, [merged, *map(_content, others)])]
    if lines:
        raise SystemExit("\n".join(["rows that are set to null, and that no file has:", *lines]))


def stop_if_unreadable(paths: Iterable[Path | str]) -> None:
    """Raise SystemExit naming file, line and column of what Snakemake cannot read as settings."""
    lines = [f"  - {line}" for path in paths for line in _unreadable(Path(path))]
    if lines:
        raise SystemExit("\n".join(["files of settings that cannot be read:", *lines]))


def _unreadable(path: Path) -> Iterator[str]:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        yield f"{path}: {error.strerror}; correct its name or its permissions"
    except UnicodeDecodeError:
        yield f"{path}: not a text in UTF-8; save it in that encoding"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        yield f"{path}{place}: {error.problem}; correct it (YAML indents by spaces, and writes `key: value`)"
    except yaml.YAMLError as error:
        yield f"{path}: {' '.join(str(error).split())}; remove the character"
    else:
        if not isinstance(root, yaml.MappingNode):
            yield f"{path}: has no keys; write `key: value`, as in config.yaml"


def nulls_without_row(paths: list[Path], others: list[dict[str, Any]]) -> Iterator[tuple[Path, str]]:
    """Yield file and key of every row that is null and has values neither in a file nor in other settings."""
    contents = {path: _content(path) for path in paths}
    for section in NAMED:
        named = [of.get(section) or {} for of in (*contents.values(), *others)]
        known = {name for found in named for name, row in found.items() if row is not None}
        for path, of in contents.items():
            for name in sorted((of.get(section) or {}).keys() - known, key=str):
                nearest = difflib.get_close_matches(str(name), sorted(map(str, known)), n=1)
                yield path, f"{section}.{name}" + (f"; did you mean {section}.{nearest[0]}?" if nearest else "")


def _content(path: Path) -> dict[str, Any]:
    content: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {k: v for k, v in content.items() if isinstance(v, dict)} if isinstance(content, dict) else {}


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
