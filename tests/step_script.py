"""Steps written by a test and run as real processes, as a rule runs them, or in the process of the test."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fork_python import forking_python

from clinragen.runtime import session

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
HEAD = """
from pathlib import Path
from pydantic import BaseModel
from clinragen.runtime import session
from clinragen.provenance.digest import code_digest
from clinragen.errors import UserError
from clinragen.step import Context, Out, SharedOut, run
# The script is outside scripts/, so it has no digest.
session.code_digest = lambda rule: "digest-of-" + rule
session.code_files = lambda rule: {}
"""


def arguments(**values: object) -> list[str]:
    """Return a command line from keyword arguments; a list becomes several words."""
    words = []
    for name, value in values.items():
        words += ["--" + name.replace("_", "-"), *map(str, value if isinstance(value, list) else [value])]
    return words


def prepare_steps_without_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let functions of a test run as steps: no launcher, and digests without a script."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(session, "code_digest", lambda rule: f"digest-of-{rule}")
    monkeypatch.setattr(session, "code_files", lambda rule: {f"{rule}.py": "digest"})


def write_step(directory: Path, signature: str, body: str, name: str = "toy") -> Path:
    """Write a script with one step of this signature and body."""
    script = directory / f"{name}.py"
    function = f"def {name}({signature}) -> None:\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    script.write_text(f"{HEAD}\n{function}\n\nif __name__ == '__main__':\n    run({name})\n", encoding="utf-8")
    return script


def _call(
    script: Path, arguments: tuple, environment: dict[str, str], python: Path | str = sys.executable
) -> tuple[list[str], dict[str, str]]:
    variables = os.environ | {"PYTHONPATH": str(SCRIPTS)} | environment
    return [str(python), str(script), *map(str, arguments)], variables


def run_step(script: Path, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    """Run a script to its end; `environment` adds variables, other options go to subprocess.run.

    A script of this repository runs in a fork, which would not have the limits that `preexec_fn` sets.
    """
    forked = script.parent == SCRIPTS and "preexec_fn" not in options
    python = forking_python() if forked else sys.executable
    command, variables = _call(script, arguments, options.pop("environment", {}), python)
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, **options)


def start_step(script: Path, *arguments: object) -> subprocess.Popen:
    """Start a script without waiting for it."""
    command, variables = _call(script, arguments, {})
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def left_over(directory: Path) -> list[str]:
    """Return the names of temporary files anywhere below a directory."""
    return sorted(str(p.relative_to(directory)) for p in directory.rglob(".tmp-*"))
