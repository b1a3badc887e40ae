"""The program scripts/trace.py, as tests run it."""

import subprocess
import sys
from pathlib import Path

from runs import ROOT

SCRIPT = ROOT / "scripts" / "trace.py"


def trace(*words: str | Path, cwd: Path | None = None) -> tuple[int, str]:
    """Exit status, and standard output and error together."""
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, run.stdout + run.stderr
