"""Two clean runs leave the same bytes despite a different directory, time, number of cores and environment.

The second run has, as with conda, several environments, each with exactly the packages that a file `envs/*.yaml` pins.
So it also shows that each of them is sufficient.
"""

import fcntl
import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name
from runs import (
    ENVIRONMENTS,
    ROOT,
    SMALL,
    copy_of_checkout,
    environment,
    overlay,
    path_with,
    records,
    snakemake,
    succeeded,
)

from clinragen.provenance.record import describe

# One dataset, and one model of each kind: with and without series, captions, rationales and diagnoses.
LESS = {
    "datasets": {"mimic3": None},
    "models": dict.fromkeys(
        ("without-lab-know", "without-know", "without-reasoning", "clinical-cot", "clinical-cot-tse", "frozen")
    ),
}
# Outputs that may differ, each with the reason, as in docs/reproducibility.md.
DIFFERENT = {
    "results/small/audit/lineage.html": "shows when and with which packages each output was made",
    "results/small/index.html": "has the root of the records, which contain times",
    **{f"results/small/tables/table3.{form}": "times of the jobs" for form in ("csv", "md", "tex", "html")},
    "results/small/audit/lineage.csv": "has the hashes of these times",
}


def pins(stage: str) -> dict[str, str]:
    """Return the versions that an environment pins, by normalized name."""
    environment = yaml.safe_load((ROOT / f"envs/{stage}.yaml").read_text(encoding="utf-8"))
    found = (re.match(r"([\w.-]+)==(\S+)", line) for line in environment["dependencies"][-1]["pip"])
    return {canonicalize_name(pin[1]): pin[2] for pin in found}


def create_environment(stage: str, directory: Path) -> None:
    """Create a virtual environment with the pinned distributions of one file, as links to the installed ones."""
    venv.create(directory, symlinks=True)
    here = next(directory.glob("lib/python*/site-packages"))
    for name in pins(stage):
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue  # CUDA packages, with a torch for CPUs
        for top in {file.parts[0] for file in installed.files} - {"..", "__pycache__"}:
            if not (here / top).exists():
                (here / top).symlink_to(installed.locate_file(top))


def environments(directory: Path) -> Path:
    """Create a directory whose `python` runs each script in the environment of its rule."""
    for stage in yaml.safe_load((ROOT / "envs/requirements.yaml").read_text(encoding="utf-8"))["stages"]:
        create_environment(stage, directory / stage)
    others = "".join(f" scripts/{rule}.py) stage={stage};;" for rule, stage in ENVIRONMENTS.items())
    script = (
        f'#!/bin/sh\nstage=${{1#scripts/}}\nstage=${{stage%%_*}}\ncase "$1" in{others} esac\n'
        f'exec "{directory}/$stage/bin/python" "$@"\n'
    )
    (directory / "bin").mkdir()
    (directory / "bin/python").write_text(script, encoding="utf-8")
    (directory / "bin/python").chmod(0o755)
    return directory / "bin"


def clean_run(checkout: Path, cores: int, mask: int, **environment: str) -> None:
    """Run the workflow in a new checkout without results."""
    checkout.mkdir(parents=True)
    tree = overlay(copy_of_checkout(checkout) / "small.yaml", "results/small", **SMALL | LESS)
    arguments = ("--configfile", "config/demo.yaml", tree.name, "--cores", cores, "--quiet", "rules", "all")
    before = os.umask(mask)
    try:
        succeeded(snakemake(*map(str, arguments), "--show-failed-logs", cwd=checkout, **environment))
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def directory(shared) -> Path:
    """The directory of both runs, shared by all workers of pytest."""
    return shared / "reproducible"


@pytest.fixture(scope="module")
def runs(directory, request) -> tuple[dict[str, dict], dict[str, dict]]:
    """Records of both runs, by the path of the output."""
    one, another = directory / "one", directory / "another/place"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "done").exists():
            # Scripts of the first run are forks of one process, which saves minutes; those of the second are not.
            path = path_with(request.getfixturevalue("fork_python").parent)
            clean_run(one, 2, 0o022, PATH=path, PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C")
            path = path_with(environments(directory / "envs"))
            clean_run(another, 1, 0o077, PATH=path, PYTHONHASHSEED="2", TZ="Asia/Kathmandu", LC_ALL="C.UTF-8")
            (directory / "done").touch()
    return records(one / "results/small"), records(another / "results/small")


@pytest.mark.slow
def test_two_clean_runs_leave_the_same_bytes(runs):
    first, second = ({path: r["output"]["sha256"] for path, r in run.items()} for run in runs)
    assert first.keys() == second.keys() and len(first) > 50
    assert {path for path in first if first[path] != second[path]} == set(DIFFERENT)


@pytest.mark.slow
def test_each_rule_ran_with_exactly_the_packages_that_its_environment_pins(runs):
    for path, record in runs[1].items():
        pinned = pins(environment(record["rule"]))
        for name, version in record["environment"]["packages"].items():
            # A local label such as +cpu shows which index a build came from.
            assert pinned.get(canonicalize_name(name)) == version.split("+")[0], f"{path}: {name} {version}"


@pytest.mark.slow
def test_a_recorded_command_run_by_hand_leaves_the_same_bytes(runs, directory, tmp_path):
    """Without Snakemake nothing limits the threads of libraries; they would use all cores."""
    path, record = next((p, r) for p, r in runs[0].items() if r["rule"] == "train_phase1")
    places = {path: str(tmp_path / "model")}
    _, *words = [places.get(word, word) for word in record["command"]]
    words[words.index("--checkpoints") + 1] = str(tmp_path / "checkpoints")
    variables = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    subprocess.run([sys.executable, *words], cwd=directory / "one", env=variables, check=True)
    assert describe(tmp_path / "model")["sha256"] == record["output"]["sha256"]
