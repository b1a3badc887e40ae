"""Content hash of a rule's code: its script and every module of the library that the script imports."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
PACKAGE = "clinragen"
# Content-neutral: nothing in it touches a value, so that a better log line retrains nothing. It is left out of the
# digests of rules; its own digest is in every record.
NEUTRAL = f"{PACKAGE}.runtime"


def code_digest(rule: str) -> str:
    """Hash of `scripts/<rule>.py` and its import closure, blind to comments, docstrings and formatting.

    Raises FileNotFoundError when the rule has no script.
    """
    return _digest(closure(SCRIPTS / f"{rule}.py"))


def code_files(rule: str) -> dict[str, str]:
    """Hash of each file behind `code_digest`, by its path below scripts/, so that a changed one can be named."""
    return {p.relative_to(SCRIPTS).as_posix(): _digest([p]) for p in closure(SCRIPTS / f"{rule}.py")}


def runtime_digest() -> str:
    """Hash of the content-neutral runtime and of all modules that it imports."""
    modules = (SCRIPTS / PACKAGE / "runtime").glob("*.py")
    return _digest(sorted({path for module in modules for path in _closure(module, "")}))


def closure(script: Path) -> list[Path]:
    """The script and all modules below scripts/ that it imports, directly or not, except the runtime's."""
    return _closure(script, NEUTRAL)


def _closure(start: Path, left_out: str) -> list[Path]:
    paths: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in paths:
            paths.add(path)
            names = (n for n in _code(path)[1] if not left_out or not f"{n}.".startswith(f"{left_out}."))
            waiting += [file for name in names for file in _files_of(name)]
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
    """The parsed code of a file and the modules that it may import from scripts/; most files serve many rules."""
    # Bytes, so that a coding cookie counts as Python itself counts it.
    tree = ast.parse(path.read_bytes(), filename=str(path))
    imported = _imported(path, tree)
    return ast.dump(_Bare().visit(tree)), imported


class _Bare(ast.NodeTransformer):
    """Removes docstrings, those of attributes too."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


def _imported(path: Path, tree: ast.Module) -> frozenset[str]:
    """Dotted names that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import starts at the package of the file, or above it.
            above = path.relative_to(SCRIPTS).parts[: -node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names.add(module)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _files_of(module: str) -> list[Path]:
    """The file of a module below scripts/ and the `__init__` files above it; empty for any other name."""
    parts = module.split(".")
    files = [SCRIPTS.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    files.append(SCRIPTS.joinpath(*parts).with_suffix(".py"))
    return [f for f in files if f.is_file()]
