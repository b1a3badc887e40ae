"""Content hash of a rule's code: its script and every clinragen module that it imports."""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
PACKAGE = "clinragen"
# The content-neutral part: it can not change what is inside an output, so it is left out of
# the digests of rules; its own digest stands in every record.
NEUTRAL = f"{PACKAGE}.runtime"


def code_digest(rule: str) -> str:
    """Hash of `scripts/<rule>.py` and its import closure, blind to comments, docstrings and format.

    Raises FileNotFoundError when the rule has no script.
    """
    return _digest(closure(SCRIPTS / f"{rule}.py"))


def code_files(rule: str) -> dict[str, str]:
    """Hash of each file behind `code_digest`, by its path below scripts/, so that the one that changed can be named."""
    return {p.relative_to(SCRIPTS).as_posix(): _digest([p]) for p in closure(SCRIPTS / f"{rule}.py")}


@cache
def runtime_digest() -> str:
    """Hash of the content-neutral runtime."""
    return _digest(sorted((SCRIPTS / PACKAGE / "runtime").glob("*.py")))


def closure(script: Path) -> list[Path]:
    """The script and all modules of the package that it imports, directly or not, the runtime left out."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [p for name in _code(path)[1] for p in _files_of(name)]
    return sorted(found)


def _digest(paths: list[Path]) -> str:
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
    """What a file means, and the modules of the package that it imports; most files serve many rules."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imported = _imported(path, tree)
    return ast.dump(_Bare().visit(tree)), imported


class _Bare(ast.NodeTransformer):
    """Takes the docstrings out, those of attributes too."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


def _imported(path: Path, tree: ast.Module) -> frozenset[str]:
    """Dotted names of the package's modules that a file imports, anywhere in it."""
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
    return frozenset(n for n in names if n.split(".")[0] == PACKAGE and not (n + ".").startswith(NEUTRAL + "."))


def _files_of(module: str) -> list[Path]:
    """The file of a module and the `__init__` files above it; empty for a name inside a module."""
    parts = module.split(".")
    files = [SCRIPTS.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    files.append(SCRIPTS.joinpath(*parts).with_suffix(".py"))
    return [f for f in files if f.is_file()]
