"""Content hash of a rule's code: its script and every library module that the script imports."""

import ast
import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
PACKAGE = "clinragen"
# Content-neutral: it cannot change a value, so a better log line retrains nothing. It is excluded from the digests of
# rules; its own digest is in every record.
NEUTRAL = f"{PACKAGE}.runtime"


def code_digest(rule: str) -> str:
    """Return a hash of `scripts/<rule>.py` and its import closure, without comments, docstrings and formatting.

    FileNotFoundError if the rule has no script.
    """
    return _digest(closure(SCRIPTS / f"{rule}.py"))


def code_files(rule: str) -> dict[str, str]:
    """Return the hash of each file behind `code_digest`, by its path below scripts/."""
    return {p.relative_to(SCRIPTS).as_posix(): _digest([p]) for p in closure(SCRIPTS / f"{rule}.py")}


def runtime_digest() -> str:
    """Return a hash of the content-neutral runtime and all modules that it imports."""
    modules = (SCRIPTS / PACKAGE / "runtime").glob("*.py")
    return _digest(sorted({path for module in modules for path in _closure(module, "")}))


def closure(script: Path) -> list[Path]:
    """Return the script and all modules below scripts/ that it imports, directly or not, except the runtime."""
    return _closure(script, NEUTRAL)


def _closure(start: Path, left_out: str) -> list[Path]:
    paths: set[Path] = set()
    names: set[str] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in paths:
            paths.add(path)
            new = {n for n in _code(path)[1] - names if not left_out or not f"{n}.".startswith(f"{left_out}.")}
            names |= new
            waiting += [file for name in new for file in _files_of(name)]
    return sorted(paths)


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(SCRIPTS).as_posix().encode() + b"\0")
        total.update(_code(path)[0].encode() + b"\0")
    return total.hexdigest()[:16]


def _code(path: Path) -> tuple[str, frozenset[str]]:
    status = path.stat()
    return _read(path, (status.st_mtime_ns, status.st_size))


@cache
def _read(path: Path, stamp: tuple[int, int]) -> tuple[str, frozenset[str]]:
    """Return the parsed code of a file and the modules that it imports; cached, since most files serve many rules."""
    # Bytes, so that a coding cookie is interpreted as Python does.
    tree = ast.parse(path.read_bytes(), filename=str(path))
    imports: list[ast.Import | ast.ImportFrom] = []
    return _dump(tree, imports), frozenset(name for node in imports for name in _imported(path, node))


def _dump(value: object, imports: list[ast.Import | ast.ImportFrom]) -> str:
    """Return what `ast.dump` returns without docstrings, those of attributes too, in a third of its time.

    The import statements on the way are added to `imports`.
    """
    if isinstance(value, list):
        return f"[{', '.join([_dump(item, imports) for item in value if not _is_docstring(item)])}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, ast.Import | ast.ImportFrom):
        imports.append(value)
    kind = type(value)
    fields = [(name, getattr(value, name, None)) for name in kind._fields]
    # As `ast.dump` does, leave out what is None by default.
    shown = [
        f"{name}={_dump(field, imports)}"
        for name, field in fields
        if field is not None or getattr(kind, name, ...) is not None
    ]
    return f"{kind.__name__}({', '.join(shown)})"


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(path: Path, node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return the dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    # A relative import starts at the file's package, or above it.
    above = path.relative_to(SCRIPTS).parts[: -node.level] if node.level else ()
    module = ".".join([*above, *filter(None, [node.module])])
    return {module} | {f"{module}.{alias.name}" for alias in node.names}


def _files_of(module: str) -> list[Path]:
    """Return the file of a module below scripts/ and the `__init__` files above it; none for any other name."""
    place, files = str(SCRIPTS), []
    for part in module.split("."):
        place = f"{place}/{part}"
        files.append(f"{place}/__init__.py")
    return [Path(file) for file in (*files, f"{place}.py") if os.path.isfile(file)]  # noqa: PTH113, thousands of them
