"""Problems of a configuration in words: the place, what is wrong there, and what was probably meant."""

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def explain(error: Any, root: type[BaseModel], before: str = "") -> str:
    """One of pydantic's errors about `root`, whose places are shown below `before`."""
    place = before + ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = sorted(_keys_at(root, error["loc"][:-1]))
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0)
        return f"{place}: unknown key; did you mean {before}{'.'.join([*map(str, error['loc'][:-1]), near[0]])}?"
    if error["type"] == "missing":
        return f"{place}: missing; copy it from config.yaml, which has every key"
    return f"{place + ': ' if place else ''}{error['msg'].removeprefix('Value error, ')}"


def _keys_at(section: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    named = False
    for part in place:
        if named:  # a key chosen by the user, such as the name of a model
            named = False
            continue
        annotation = section.model_fields[part].annotation
        named = str(annotation).startswith("dict")
        section = next(sections(annotation))
    return list(section.model_fields)


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections in the type of a key."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from sections(part)
