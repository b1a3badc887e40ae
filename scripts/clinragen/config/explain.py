"""Validation errors in words: the key, the problem, and a suggestion for a misspelt key."""

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def explain(error: Any, root: type[BaseModel], before: str = "") -> str:
    """Return one of pydantic's errors about `root` as a sentence; `before` is the prefix of its keys."""
    key = before + ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        keys = sorted(_keys_at(root, error["loc"][:-1]))
        nearest = difflib.get_close_matches(str(error["loc"][-1]), keys, n=1)
        if not nearest:
            return f"{key}: unknown key; there are {', '.join(keys)}"
        return f"{key}: unknown key; did you mean {before}{'.'.join([*map(str, error['loc'][:-1]), nearest[0]])}?"
    if error["type"] == "missing":
        return f"{key}: missing; copy it from config.yaml, which has every key"
    return f"{key + ': ' if key else ''}{error['msg'].removeprefix('Value error, ')}"


def _keys_at(section: type[BaseModel], keys: tuple[Any, ...]) -> list[str]:
    named = False
    for part in keys:
        if named:  # a user-defined key, such as the name of a model
            named = False
            continue
        annotation = section.model_fields[part].annotation
        named = str(annotation).startswith("dict")
        section = next(sections(annotation))
    return list(section.model_fields)


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections in the type of a key."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from sections(part)
