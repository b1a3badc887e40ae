"""Running the real workflow from tests: Snakemake as a user would, in this checkout or in a copy of it."""

import atexit
import glob
import gzip
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake_server import Server

ROOT = Path(__file__).parents[1]
PROGRAM = ("-m", "snakemake")
# The validator of released crates, and the JSON-LD contexts that it would otherwise fetch from the network.
VALIDATOR = ROOT / ".venv-validator" / "bin" / "python"
CONTEXTS = ROOT.parent / "shared" / "data" / "ro-crate-contexts"
OPEN_DEMO = ROOT.parent / "shared" / "data" / "mimic-iii-demo"
# Rules that use a different environment from that of their stage (envs/requirements.yaml says why).
ENVIRONMENTS = dict.fromkeys(("demo_raw", "demo_notes", "demo_download"), "extract") | {
    "demo_backbone": "train",
    "demo_text_encoder": "train",
    "asked_predict": "rationale",
    "evaluate_judge": "rationale",
    "evaluate_predict": "train",
    "evaluate_bertscore": "train",
    "evaluate_classifier": "train",
    "llm_weights": "train",
    "planted_predict": "train",
    "planted_classifier": "train",
    "planted_scores": "evaluate",
    "planted_page": "evaluate",
}
# The demo in miniature: tests check that everything fits together, not what models learn.
SMALL = {
    "demo": {"patients": {"mimic3": 60, "mimic4": 60}, "lessons": 100},
    "student": {"texts": {"max_target_tokens": 48}},
    "train": {stage: {"epochs": 1, "patience": 1} for stage in ("phase1", "phase2", "phase3", "joint", "frozen")},
    "evaluate": {"decoding": {"max_new_tokens": 48}, "study": {"design": {"cases": 6}}},
}


def script_of(rule: str) -> str:
    """Return the name of a rule's script and logs; a rule made by `use rule` may add a suffix to its base's name."""
    return re.sub(r"_(served|mimic3|mimic4)$", "", rule)


def environment(rule: str) -> str:
    """Return the name of a rule's environment."""
    if rule.endswith("_served"):
        return "serve"
    return ENVIRONMENTS.get(script_of(rule), rule.split("_")[0])


def snakemake(
    *arguments: str | Path, cwd: Path = ROOT, program: tuple[str, ...] = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake; the output includes standard error, as a user sees it."""
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        cwd=cwd,
        env=_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )


def dry_run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `snakemake --dry-run` in this checkout: as `snakemake`, but in a fork of a process that has imported it."""
    return _server().run(["--dry-run", *map(str, arguments)], _environment() | environment)


@cache
def _server() -> Server:
    server = Server(ROOT).__enter__()
    atexit.register(server.__exit__)
    return server


def seconds_of_children() -> float:
    """Return the CPU seconds that all ended child processes have used; other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def started(
    *arguments: str | Path, cwd: Path, output: Path, program: tuple[str, ...] = PROGRAM
) -> subprocess.Popen[bytes]:
    """Start Snakemake in the background."""
    command = [sys.executable, *program, *map(str, arguments)]
    with output.open("wb") as file:
        return subprocess.Popen(command, cwd=cwd, env=_environment(), stdout=file, stderr=subprocess.STDOUT)


def path_with(*directories: Path) -> str:
    """Return a $PATH with these directories first, then that of this Python."""
    return os.pathsep.join([*map(str, directories), str(Path(sys.executable).parent), os.environ["PATH"]])


def _environment() -> dict[str, str]:
    return os.environ | {"PATH": path_with()}


def succeeded(run: subprocess.CompletedProcess[str]) -> str:
    """Return the output of a run; AssertionError if it failed."""
    assert run.returncode == 0, f"{run.args}: exit status {run.returncode}\n{run.stdout[-6000:]}"
    return run.stdout


def overlay(path: Path, results: Path | str, **settings: object) -> Path:
    """Write a configuration overlay with a separate results tree."""
    tree = {"pathvars": {"results": f"{results}", "logs": f"{results}/logs", "timings": f"{results}/timings"}}
    path.write_text(yaml.safe_dump(tree | settings), encoding="utf-8")
    return path


def jobs(output: str) -> dict[str, int]:
    """Return the number of jobs per rule, from the table that a dry run prints."""
    lines = re.findall(r"^([a-z]\w*) +(\d+)$", output, re.MULTILINE)
    return {rule: int(count) for rule, count in lines if rule not in ("total", "all")}


def copy_of_checkout(directory: Path) -> Path:
    """Copy all files that git tracks or would track; the copy is not a repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)
    return directory


def header_only(directory: Path, dataset: str, leave_out: str = "", without: str = "") -> Path:
    """Write raw tables with headers and an empty row; one table can be left out, one column dropped everywhere."""
    declared = yaml.safe_load((ROOT / "resources/raw_tables.yaml").read_text(encoding="utf-8"))[dataset]["tables"]
    for table, facts in declared.items():
        if table != leave_out:
            path = directory / f"{facts['file']}.csv.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            columns = [c for c in facts["columns"] if c != without]
            path.write_bytes(gzip.compress((",".join(columns) + "\n" + "," * (len(columns) - 1) + "\n").encode()))
    return directory


def records(results: Path) -> dict[str, dict]:
    """Return all provenance records of a results tree, by the path of the output."""
    loaded = (json.loads(path.read_text(encoding="utf-8")) for path in results.rglob(".records/*.json"))
    return {record["output"]["path"]: record for record in loaded}


def checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints of running trainings below a directory; all except the newest are complete.

    Unlike `Path.glob`, this one tolerates directories that appear and vanish meanwhile.
    """
    return [Path(p) for p in glob.glob(f"{directory}/**/checkpoint-*", recursive=True)]  # noqa: PTH207
