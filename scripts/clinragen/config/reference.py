"""The reference of config.yaml: every key with its type and meaning (docs/config.md)."""

import ast
import inspect
import itertools
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from clinragen.config.base import Section
from clinragen.config.explain import sections
from clinragen.config.root import Config


def reference() -> str:
    """Every key of config.yaml with its type and meaning, as Markdown (docs/config.md)."""
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
    """The string under each field of a section, inherited ones too, in one line.

    pydantic would collect them at every start of every job.
    """
    sources = [kind for kind in reversed(section.__mro__) if issubclass(kind, Section)]
    bodies = (ast.parse(inspect.getsource(kind)).body[0].body for kind in sources)
    pairs = itertools.chain.from_iterable(map(itertools.pairwise, bodies))
    found = ((f, text.value) for f, text in pairs if isinstance(text, ast.Expr))
    return {
        field.target.id: " ".join(ast.literal_eval(text).split())
        for field, text in found
        if isinstance(field, ast.AnnAssign)
    }


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    meanings = _meanings(section)
    for name, field in section.model_fields.items():
        inner = next(sections(field.annotation), None)
        chosen = ".<name>" if inner and str(field.annotation).startswith("dict") else ""
        kind = "" if inner else _type_name(field.annotation)
        default = "" if field.is_required() else f" Default: `{json.dumps(field.default)}`."
        yield f"| `{prefix}{name}` | {kind} | {meanings[name]}{default} |"
        if inner:
            yield from _rows(inner, f"{prefix}{name}{chosen}.")


def _type_name(annotation: Any) -> str:
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    return text.replace("typing.", "").replace("|", "or")
