"""A change reruns exactly what depends on it: every code file, resource and key, one by one.

Each change is made in a copy of the finished demo, and the jobs that Snakemake would run are compared with those that
depend on the change according to tests/reruns.py. `make test` compares the digests of all code files, `make test-all`
tries one change of each kind, such as one code file per directory, and `make test-reruns` tries every change.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from pathlib import Path

import changes
import pytest
import reruns
import reruns_page
import yaml
from _pytest.mark import ParameterSet
from demo import CONFIGURATION, RESULTS
from runs import ROOT, records
from snakemake_server import Server

from clinragen.provenance import digest
from clinragen.provenance.digest import closure

PLAN = ("--dry-run", "--nolock")
SETTINGS = changes.settings()


class Checkout:
    """A copy of the finished demo in which files are changed and restored."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self._server = server
        self._originals: dict[Path, tuple[bytes, os.stat_result]] = {}

    def write(self, name: str, content: bytes) -> None:
        """Replace the content of a file, until `restore`."""
        path = self.directory / name
        self._originals.setdefault(path, (path.read_bytes(), path.stat()))
        path.write_bytes(content)

    def append(self, name: str, text: str) -> None:
        """Append to a file, until `restore`."""
        self.write(name, (self.directory / name).read_bytes() + text.encode())

    def restore(self) -> None:
        """Restore all files, with their times."""
        for path, (content, status) in self._originals.items():
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self._originals.clear()

    def settings(self, keys: dict[str, object]) -> tuple[str, ...]:
        """Return arguments that change keys of the configuration."""
        (self.directory / "changed.yaml").write_text(yaml.safe_dump(changes.nested(keys)), encoding="utf-8")
        return ("changed.yaml",)

    def plan(self, *arguments: str) -> set[reruns.Job]:
        """Return all jobs of a dry run."""
        return reruns.planned_jobs(self._server.snakemake(*CONFIGURATION, *arguments, *PLAN, "--", *reruns.TARGETS))

    def why(self, *arguments: str) -> list[str]:
        """Return the lines that scripts/why.py prints."""
        command = [sys.executable, "scripts/why.py", *CONFIGURATION, *arguments]
        run = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=True)
        return run.stdout.splitlines()

    def rerun(self, *arguments: str) -> reruns.Names:
        """Return the names of the jobs that would run."""
        return {job.name for job in self.plan(*arguments)}


@pytest.fixture(scope="module")
def own_copy(demo_copy):
    """A copy of the finished demo for this worker alone, and the jobs in its records."""
    with pytest.MonkeyPatch.context() as patch, Server(demo_copy) as server:
        patch.chdir(demo_copy)
        yield Checkout(demo_copy, server), reruns.recorded_jobs(RESULTS)


@pytest.fixture
def checkout(own_copy):
    """The copy, restored after each test."""
    yield own_copy[0]
    own_copy[0].restore()


@pytest.fixture(scope="module")
def jobs(own_copy):
    """The jobs behind the demo, by their records."""
    return own_copy[1]


def compare(planned: reruns.Names, expected: reruns.Names, kind: str, record_property) -> None:
    """Count the errors of one change, and fail if there are any."""
    needless, missed = planned - expected, expected - planned
    record_property("rerun", (kind, len(needless), len(missed)))
    assert not missed, f"depend on it and would not run: {sorted(missed)}"
    assert not needless, f"would run and do not depend on it: {sorted(needless)}"


def test_the_finished_demo_has_nothing_to_do_and_records_name_the_inputs_of_every_job(checkout, jobs):
    assert checkout.rerun() == set()
    assert checkout.plan("--forceall") == jobs
    assert len(jobs) > 70


def one_of_each(names: Iterable[str], kind: Callable[[str], Hashable]) -> list[ParameterSet]:
    """Return parameters: the first of each kind is always tried, the others only by `make test-reruns`."""
    first: dict[Hashable, str] = {}
    return [pytest.param(n, marks=() if first.setdefault(kind(n), n) == n else pytest.mark.exhaustive) for n in names]


@pytest.mark.slow
@pytest.mark.parametrize("path", one_of_each(reruns.code_files(), reruns.directory))
def test_changed_code(checkout, jobs, path, record_property):
    checkout.append(path, "\n_CHANGED = 1\n")
    compare(checkout.rerun(), reruns.with_followers(jobs, reruns.users_of_code(jobs, path)), "code", record_property)


@pytest.mark.slow
@pytest.mark.parametrize("path", one_of_each(reruns.resource_files(), reruns.kind_of_resource))
def test_changed_resource(checkout, jobs, path, record_property):
    checkout.append(path, "\n")
    compare(
        checkout.rerun(), reruns.with_followers(jobs, reruns.users_of_file(jobs, path)), "resource", record_property
    )


@pytest.mark.slow
@pytest.mark.parametrize("key", one_of_each(SETTINGS, reruns.kind_of_setting))
def test_changed_setting(checkout, jobs, key, record_property):
    keys = changes.changed(key, SETTINGS[key])
    overlay = checkout.settings(keys)
    now, started = reruns.users_of_settings(jobs, keys, lambda: checkout.plan(*overlay, "--forceall"))
    compare(checkout.rerun(*overlay), reruns.with_followers(now, started), "setting", record_property)
    if reruns_page.moves(keys):
        page = (ROOT / "docs/partial-reruns.md").read_text(encoding="utf-8")
        documented = re.search(rf"^\| `{re.escape(reruns.general(key))}` \| (.*?) \|", page, re.MULTILINE)[1]
        assert reruns_page.rules(started) <= set(documented.split(", ")), "make docs"


def reformatted(text: str) -> str:
    """Return an equivalent program: no comments, other quotes and line breaks, reworded docstrings, a new comment."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = f"In other words: {node.value.value}"
    return f"{ast.unparse(tree)}\n\n\n# a remark\n"


def test_comments_docstrings_formatting_times_and_the_runtime_rerun_nothing(checkout, record_property):
    for path in reruns.code_files():
        checkout.write(path, reformatted((checkout.directory / path).read_text(encoding="utf-8")).encode())
        if path.startswith(reruns.RUNTIME):
            checkout.append(path, "_CHANGED = 1\n")
    for path in [
        *checkout.directory.glob("rules/*.smk"),
        checkout.directory / "Snakefile",
        *checkout.directory.glob("envs/*"),
    ]:
        checkout.append(path.relative_to(checkout.directory), "\n# a remark\n")
    for path in ("config.yaml", "config/demo.yaml", "small.yaml", "pyproject.toml"):
        checkout.append(path, "# a remark\n")
    for path in ("README.md", "docs/decisions.md", "docs/captions/table.rst"):
        checkout.append(path, "\nOne more line.\n")
    compare(checkout.rerun(), set(), "without meaning", record_property)


def test_a_fresh_checkout_reruns_nothing(checkout, record_property):
    for path in checkout.directory.rglob("*"):
        if path.is_file() and path.relative_to(checkout.directory).parts[0] not in ("results", ".snakemake"):
            checkout.write(path.relative_to(checkout.directory), path.read_bytes())
    compare(checkout.rerun(), set(), "without meaning", record_property)


@cache
def digested(rule: str) -> set[str]:
    """Return the paths of the files that the digest of a rule covers."""
    return {p.relative_to(ROOT).as_posix() for p in closure(ROOT / f"scripts/{rule}.py")}


def test_a_file_of_code_is_in_the_digests_of_its_rules_and_in_no_other(tmp_path, monkeypatch):
    """Every file, changed one by one; to save time, the digests are computed from hashes of the files' code."""
    scripts = tmp_path / "scripts"
    shutil.copytree(ROOT / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "SCRIPTS", scripts)
    monkeypatch.setattr(digest, "closure", cache(digest.closure))  # the changes import nothing
    read = digest._read

    @cache
    def hashed(*file: object) -> tuple[str, frozenset[str]]:
        code, imported = read(*file)
        return hashlib.sha256(code.encode()).hexdigest(), imported

    monkeypatch.setattr(digest, "_read", hashed)
    rules = sorted(reruns.keys_of_rules())
    before = {rule: digest.code_digest(rule) for rule in rules}
    for path in reruns.code_files():
        file = tmp_path / path
        content = file.read_text(encoding="utf-8")
        file.write_text(content + "\n_CHANGED = 1\n", encoding="utf-8")
        assert {rule for rule in rules if digest.code_digest(rule) != before[rule]} == reruns.rules_of_code(path), path
        file.write_text(content, encoding="utf-8")


# What costs hours of a GPU or calls of a language model.
COSTLY = re.compile(r"train_(?!.*tokens)|.*_predict$|.*_classifier$|rationale_|knowledge_terms|evaluate_judge$")


@pytest.mark.parametrize(
    "table", ["evaluate", "leakage", "statistics", "texts", "costs", "discussion", "paper", "claims"]
)
def test_a_column_or_metric_of_the_evaluation_trains_predicts_and_asks_nothing_again(table):
    users = reruns.rules_of_code(f"scripts/clinragen/schemas/{table}.py")
    assert users and not [rule for rule in users if COSTLY.match(rule)]


@pytest.mark.parametrize("rule", sorted(reruns.keys_of_rules()))
def test_the_digest_of_a_rule_covers_what_the_standard_library_finds_imported(rule):
    assert digested(rule) == reruns.code_of(rule)


def test_processes_ran_no_code_outside_of_the_digest_and_read_only_inputs(demo):
    jobs: dict[tuple, list[dict]] = {}
    for record in records(demo.checkout / RESULTS).values():
        jobs.setdefault((record["rule"], *record["command"]), []).append(record)
    # Records hide private words of a command, so a job is identified by its rule and an output.
    job_of = {(job[0]["rule"], record["output"]["path"]): job for job in jobs.values() for record in job}
    seen, wrong = set(), set()
    for log in demo.witnessed.glob("*.jsonl"):
        for line in log.read_text(encoding="utf-8").splitlines():
            command, what, path = json.loads(line)
            rule = next((Path(word).stem for word in command if word.startswith("scripts/")), None)
            of_job = next((job_of[rule, word] for word in command if (rule, word) in job_of), None)
            if of_job is None:  # Snakemake itself
                continue
            seen.add(rule)
            if not (declared_code(rule, path) if what == "ran" else declared_file(of_job, path)):
                wrong.add((rule, what, path))
    assert seen == {record["rule"] for job in jobs.values() for record in job}
    assert not wrong, sorted(wrong)


def declared_code(rule: str, path: str) -> bool:
    """Return whether a rule may run a file: its digest covers it, or that of the runtime."""
    return path in digested(rule) or path in reruns.code_of_runtime()


def declared_file(of_job: list[dict], path: str) -> bool:
    """Return whether a job may read a file: an input, a record, code for its digest, or its scratch files."""
    inputs = {used["path"] for used in of_job[0]["inputs"]}
    if {path, *map(str, Path(path).parents)} & inputs or "/.records/" in path or path.startswith("scripts/"):
        return True
    # Table 3 shows the times of jobs, which are not inputs because they differ from run to run.
    if of_job[0]["rule"] == "evaluate_table3" and "/timings/" in path:
        return True
    directories = {Path(record["output"]["path"]).parent for record in of_job}
    return any(
        Path(path).is_relative_to(directory)
        and Path(path).relative_to(directory).parts[0].startswith((".tmp-", "checkpoints-", "parts"))
        for directory in directories
    )


CAPTIONS = "scripts/clinragen/benchmark/captions.py"


def test_why_nothing_is_to_be_done(checkout):
    assert checkout.why() == ["Nothing to be done."]
    assert checkout.why("--rule", "train_phase2") == ["Nothing to be done for train_phase2."]


def test_why_a_module_and_what_waits_for_it(checkout):
    checkout.append(CAPTIONS, "\n_CHANGED = 1\n")
    first, *_, last = checkout.why()
    assert first == f"benchmark_captions, 2 jobs: {CAPTIONS} changed"
    # The lessons of the tiny language model are worded like captions.
    through = "(through benchmark_captions and 1 more rule)"
    assert last == f"site_index, 1 job: {CAPTIONS} changed {through}"
    assert checkout.why("--rule", "train_phase2") == [
        f"train_phase2, 2 jobs: {CAPTIONS} changed (through demo_backbone)",
        f"train_phase2, 4 jobs: {CAPTIONS} changed {through}",
    ]


def test_why_a_key_a_resource_and_a_missing_output(checkout):
    overlay = checkout.settings({"benchmark.captions.fence_multiplier": 2.0, "seeds": [1, 2]})
    checkout.append("resources/stop_words.txt", "\n")
    gone = checkout.directory / "results/demo/mimic4/extract/inventory.csv"
    content, status = gone.read_bytes(), gone.stat()
    gone.unlink()
    lines = checkout.why(*overlay)
    gone.write_bytes(content)
    os.utime(gone, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "benchmark_captions, 2 jobs: benchmark.captions.fence_multiplier: 1.5 → 2.0" in lines
    assert "extract_inventory, 1 job: results/demo/mimic4/extract/inventory.csv is missing" in lines
    (courses,) = [line for line in lines if line.startswith("benchmark_courses")]
    assert re.fullmatch(
        r"benchmark_courses, 2 jobs: resources/stop_words\.txt: (\d+) bytes \(sha256 \w{12}\) → \d+ bytes \(.*\)",
        courses,
    )
    # Another seed for all targets; what learns no R^t reads no captions.
    new = [line for line in lines if re.match(r"train_phase1, \d jobs: it has not run yet; ", line)]
    assert len(new) == 2 and all("(through benchmark_courses)" in line for line in new)
    assert sorted("(through benchmark_captions)" in line for line in new) == [False, True]


def test_why_lists_the_rules_and_passes_on_errors_of_snakemake(checkout):
    cases = ((["--rule", "no_such"], "unknown rule; available rules"), (["--", "no_such_file"], "no_such_file"))
    for words, message in cases:
        command = [sys.executable, "scripts/why.py", *CONFIGURATION, *words]
        run = subprocess.run(command, cwd=checkout.directory, capture_output=True, text=True, check=False)
        assert run.returncode != 0 and message in run.stderr and run.stdout == ""


def test_the_page_of_partial_reruns_is_up_to_date(jobs):
    page = (ROOT / "docs/partial-reruns.md").read_text(encoding="utf-8")
    fixed, moving = page.split(reruns_page.MOVING)
    assert fixed == reruns_page.still(jobs), "make docs"
    assert re.findall(r"^\| `([^`]+)`", moving, re.MULTILINE) == list(
        dict.fromkeys(reruns.general(k) for k, v in SETTINGS.items() if reruns_page.moves(changes.changed(k, v)))
    )
