"""A step: a function whose signature is its command line.

Annotations: `Path` is an input file, `Path | None` one or none, `list[Path]` any number of them; `Out` or `SharedOut`
an output; a settings class a JSON object validated by that class (with `| None`, also null); `int`, `float`, `str`,
`bool` plain values; `Private` a string omitted from logs and records. A dataclass is a group of arguments that several
steps share: each of its fields is an argument. `Context` is not on the command line: the step uses it to add facts to
its record.

This module counts as code of every rule because values depend on it: argument parsing, seeds, number of threads.
`clinragen.runtime`, which does the rest, is content-neutral.
"""

import argparse
import inspect
import os
import random
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from clinragen.processes import main_process
from clinragen.runtime.context import Context
from clinragen.runtime.log import set_up_logging
from clinragen.runtime.outputs import Out, SharedOut
from clinragen.runtime.session import Private, Session

__all__ = ["Context", "Out", "Private", "SharedOut", "run"]


def run(function: Callable[..., None], argv: list[str] | None = None) -> None:
    """Run a step from the command line; exit with a status other than 0 if it fails."""
    set_up_logging(main_process())
    # Snakemake sets this to the rule's threads. Run by hand, a step would use all cores, and floating-point sums split
    # differently among threads differ in their last digits.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parse(function, argv)

    def body(context: Context) -> None:
        if "seed" in arguments:
            _seed(arguments["seed"])
        function(**_assembled(function, context, arguments))

    Session(function.__name__, argv, arguments).run(body, main_process())


def _kinds(function: Callable[..., None]) -> dict[str, Any]:
    kinds = inspect.get_annotations(function, eval_str=True)
    kinds.pop("return", None)
    return kinds


def _argument_kinds(function: Callable[..., None]) -> dict[str, Any]:
    """Return the kind of each argument of the command line; the fields of a group take its place."""
    kinds: dict[str, Any] = {}
    for name, kind in _kinds(function).items():
        if is_dataclass(kind):
            kinds |= get_type_hints(kind)
        elif kind is not Context:
            kinds[name] = kind
    return kinds


def _assembled(function: Callable[..., None], context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the function takes: the context, groups made of their fields, and the other arguments."""
    values: dict[str, Any] = {}
    for name, kind in _kinds(function).items():
        if is_dataclass(kind) and isinstance(kind, type):
            values[name] = kind(**{field.name: arguments[field.name] for field in fields(kind)})
        else:
            values[name] = context if kind is Context else arguments[name]
    return values


def _parse(function: Callable[..., None], argv: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog=f"{function.__name__}.py", description=inspect.getdoc(function), allow_abbrev=False
    )
    for name, kind in _argument_kinds(function).items():
        flag = "--" + name.replace("_", "-")
        if kind == list[Path]:
            parser.add_argument(flag, dest=name, nargs="*", type=Path, required=True)
        elif kind == Path | None:
            parser.add_argument(flag, dest=name, nargs="?", type=Path, required=True)
        elif kind is bool:
            parser.add_argument(flag, dest=name, type=_boolean, required=True)
        elif any(isinstance(part, type) and issubclass(part, BaseModel) for part in (kind, *get_args(kind))):
            parser.add_argument(flag, dest=name, type=_settings(kind), required=True, metavar="JSON")
        else:
            parser.add_argument(flag, dest=name, type=kind, required=True)
    return vars(parser.parse_args(argv))


def _settings(kind: Any) -> Callable[[str], BaseModel | None]:
    adapter = TypeAdapter(kind)

    def read(text: str) -> BaseModel | None:
        try:
            settings: BaseModel | None = adapter.validate_json(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return settings

    return read


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 'true' or 'false'")
    return text.lower() == "true"


def _seed(seed: int) -> None:
    import numpy

    random.seed(seed)
    numpy.random.seed(seed)
