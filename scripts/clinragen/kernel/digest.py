"""Content hash of a rule's code: its script and every clinragen module that it imports."""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
PACKAGE = "clinragen"
# The content-neutral part: it can not change what is inside an output, so it is left out of
# the digests of rules; its own digest stands in every record.
NEUTRAL = f"{PACKAGE}.kernel"


def code_digest(rule: str) -> str:
    """Hash of `scripts/<rule>.py` and its import closure, blind to comments, docstrings and format.

    Raises FileNotFoundError when the rule has no script.
    """
    return _digest(closure(SCRIPTS / f"{rule}.py"))


@cache
def kernel_digest() -> str:
    """Hash of the content-neutral kernel."""
    return _digest(sorted((SCRIPTS / PACKAGE / "kernel").glob("*.py")))


def closure(script: Path) -> list[Path]:
    """The script and all modules of the package that it imports, directly or not, kernel left out."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [p for name in _imported(path) for p in _files_of(name)]
    return sorted(found)


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(SCRIPTS).as_posix().encode() + b"\0")
        total.update(_meaning(path).encode() + b"\0")
    return total.hexdigest()[:16]


@cache
def _tree(path: Path, stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _parse(path: Path) -> ast.Module:
    status = path.stat()
    return _tree(path, (status.st_mtime_ns, status.st_size))


def _meaning(path: Path) -> str:
    """The parsed code without docstrings (attribute docstrings too), as text."""

    class Bare(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
            is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            return None if is_text else self.generic_visit(node)

    # A fresh parse: the transformer edits the tree in place.
    return ast.dump(Bare().visit(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(path: Path) -> set[str]:
    """Dotted names of the package's modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import starts at the package of the file, or above it.
            above = path.relative_to(SCRIPTS).parts[: -node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names.add(module)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {n for n in names if n.split(".")[0] == PACKAGE and not (n + ".").startswith(NEUTRAL + ".")}


def _files_of(module: str) -> list[Path]:
    """The file of a module and the `__init__` files above it; empty for a name inside a module."""
    parts = module.split(".")
    files = [SCRIPTS.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    files.append(SCRIPTS.joinpath(*parts).with_suffix(".py"))
    return [f for f in files if f.is_file()]
