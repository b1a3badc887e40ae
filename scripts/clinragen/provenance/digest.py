"""Content hash of a rule's code: its script and every library module that the script imports."""

import ast
import hashlib
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
    """Return the parsed code of a file and the modules that it imports; cached, since most files serve many rules."""
    # Bytes, so that a coding cookie is interpreted as Python does.
    tree = ast.parse(path.read_bytes(), filename=str(path))
    imported = _imported(path, tree)
    return ast.dump(_Bare().visit(tree)), imported


class _Bare(ast.NodeTransformer):
    """Removes docstrings, those of attributes too."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


def _imported(path: Path, tree: ast.Module) -> frozenset[str]:
    """Return the dotted names that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import starts at the file's package, or above it.
            above = path.relative_to(SCRIPTS).parts[: -node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names.add(module)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _files_of(module: str) -> list[Path]:
    """Return the file of a module below scripts/ and the `__init__` files above it; none for any other name."""
    parts = module.split(".")
    files = [SCRIPTS.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    files.append(SCRIPTS.joinpath(*parts).with_suffix(".py"))
    return [f for f in files if f.is_file()]
