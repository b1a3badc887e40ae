"""The demo in miniature, built once per run of pytest: its checkout, and what its processes were seen to do."""

import fcntl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from changes import checkout_with_tables
from reruns import TARGETS
from runs import ROOT, SMALL, overlay, path_with, snakemake, succeeded

RESULTS = Path("results/demo")
CONFIGURATION = ("--configfile", "config/demo.yaml", "config/demo-full.yaml", "small.yaml")


@dataclass(frozen=True)
class Demo:
    """A copy of the checkout in which the demo has run, and a log of what each process ran and read."""

    checkout: Path
    witnessed: Path


def built_once(shared: Path, fork_python: Callable[[], Path]) -> Demo:
    """The demo below a directory that all workers share; the first one builds it, the others wait."""
    demo = Demo(shared / "demo", shared / "demo-witnessed")
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "demo-built").exists():
            _build(demo, fork_python())
            (shared / "demo-built").touch()
    return demo


def _build(demo: Demo, python: Path) -> None:
    for directory in (demo.checkout, demo.witnessed):
        directory.mkdir()
    checkout_with_tables(demo.checkout)
    overlay(demo.checkout / "small.yaml", RESULTS, **SMALL)
    surroundings = {
        "PATH": path_with(python.parent),
        "PYTHONPATH": str(ROOT / "tests/witness"),
        "WITNESS_ROOT": str(demo.checkout.resolve()),
        "WITNESS_LOG": str(demo.witnessed),
    }
    arguments = ("--cores", "2", "--quiet", "rules", "--show-failed-logs", "--benchmark-extended", "--", *TARGETS)
    shown = succeeded(snakemake(*CONFIGURATION, *arguments, cwd=demo.checkout, **surroundings))
    assert f"{RESULTS}: root of the records: " in shown
