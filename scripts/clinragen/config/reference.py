"""Generator of docs/config.md: every key of config.yaml with its type and meaning."""

import ast
import inspect
import itertools
import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from clinragen.config.base import Section
from clinragen.config.explain import sections
from clinragen.config.root import Config


def reference() -> str:
    """Return the content of docs/config.md."""
    lines = [
        "# Configuration reference",
        "",
        "Generated from `scripts/clinragen/config/` by `make docs`; values and comments are in `config.yaml`.",
        "",
        "| key | type | meaning |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *_rows(Config, "")]) + "\n"


def _meanings(section: type[BaseModel]) -> dict[str, str]:
    """Return the string under each field of a section, including inherited ones, in one line.

    pydantic could collect them, but would do so at the start of every job.
    """
    meanings: dict[str, str] = {}
    for kind in (kind for kind in reversed(section.__mro__) if issubclass(kind, Section)):
        for definition in ast.parse(inspect.getsource(kind)).body:
            body = definition.body if isinstance(definition, ast.ClassDef) else []
            for field, text in itertools.pairwise(body):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                ):
                    meanings[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return meanings


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    meanings = _meanings(section)
    for name, field in section.model_fields.items():
        inner = next(sections(field.annotation), None)
        row = ".<name>" if inner and str(field.annotation).startswith("dict") else ""
        kind = "" if inner else _type_name(field.annotation)
        default = "" if field.is_required() else f" Default: `{json.dumps(field.default)}`."
        yield f"| `{prefix}{name}` | {kind} | {meanings[name]}{default} |"
        if inner:
            yield from _rows(inner, f"{prefix}{name}{row}.")


def _type_name(annotation: Any) -> str:
    """Return a type as its users know it: without the checks that `Annotated` adds."""
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join("None" if part is NoneType else _type_name(part) for part in get_args(annotation))
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    return text.replace("typing.", "").replace("|", "or")
