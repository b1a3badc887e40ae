"""Steps written on the spot and run as real processes, as a rule runs them."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
HEAD = """
from pathlib import Path
from pydantic import BaseModel
from clinragen.runtime import session
from clinragen.provenance.digest import code_digest
from clinragen.errors import UserError
from clinragen.step import Context, Out, SharedOut, run
# The script lies outside of scripts/, where its digest would be looked for.
session.code_digest = lambda rule: "digest-of-" + rule
session.code_files = lambda rule: {}
"""


def write_step(folder: Path, signature: str, body: str, name: str = "toy") -> Path:
    """A script with one step of this signature and body."""
    script = folder / f"{name}.py"
    function = f"def {name}({signature}) -> None:\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    script.write_text(f"{HEAD}\n{function}\n\nif __name__ == '__main__':\n    run({name})\n", encoding="utf-8")
    return script


def _call(script: Path, arguments: tuple, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    variables = os.environ | {"PYTHONPATH": str(SCRIPTS)} | environment
    return [sys.executable, str(script), *map(str, arguments)], variables


def run_step(script: Path, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    """Run to the end; `environment` adds variables, other options go to subprocess.run."""
    command, variables = _call(script, arguments, options.pop("environment", {}))
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, **options)


def start_step(script: Path, *arguments: object) -> subprocess.Popen:
    """Start and return at once."""
    command, variables = _call(script, arguments, {})
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def left_over(folder: Path) -> list[str]:
    """Names of temporary files anywhere under a folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob(".tmp-*"))
