"""The border of the digests: they leave out `clinragen.runtime`, which cannot change an output, and nothing else."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import reruns
from demo import CONFIGURATION, RESULTS
from runs import ROOT, copy_of_checkout, path_with, records, snakemake, succeeded

from clinragen.provenance import digest

# Names that other code imports from the runtime, and why no value can pass through them.
ACROSS = {
    "Context": "takes facts for the record; returns the labels of stand-ins in the records of inputs, as a set, and a "
    "fingerprint that is only compared with that of an earlier start",
    "Facts": "holds what library functions report for the record; only the record reads it",
    "Out": "a path that the step writes to",
    "Private": "a string that stays the same; logs and records check its class",
    "Progress": "takes numbers and returns nothing; items do not pass through it",
    "Session": "calls the step once, with a body that already holds its arguments",
    "SharedOut": "a path that the step writes to",
    "set_up_logging": "returns nothing",
}

# Changes of the runtime: file, text, other text.
NEUTRAL = {
    "format of the log": ("log.py", '"%(asctime)s %(levelname)s', '"at %(asctime)s %(levelname)s'),
    "logged levels": ("log.py", "logging.INFO if main", "logging.DEBUG if main"),
    "text of progress": ("progress.py", "%d done in", "all %d done in"),
    "time between lines": ("progress.py", "SECONDS_BETWEEN_LINES = 10.0", "SECONDS_BETWEEN_LINES = 0.0"),
    "temporary name": ("outputs.py", 'f".tmp-{owner}-{self.final.name}"', 'f".tmp-{owner}-other-{self.final.name}"'),
    "order of hashing": ("inputs.py", "for path in self._raw}", "for path in reversed(self._raw)}"),
    "wording of an error": ("inputs.py", "no such input file", "this input file is missing"),
    "order of stand-ins": ("context.py", "frozenset(self.facts.stand_ins)", "frozenset([*self.facts.stand_ins][::-1])"),
    "field of the record": ("session.py", '"schema": SCHEMA,', '"schema": SCHEMA, "another": 1,'),
    "length of lists in the record": ("session.py", "LONGEST_LIST = 100", "LONGEST_LIST = 0"),
    "last line": ("session.py", "done in %.1f s", "done after %.3f s"),
}  # fmt: skip
# Changes of code that every rule computes with.
EFFECTIVE = {
    "seed of random": ("step.py", "random.seed(seed)\n    numpy", "random.seed(seed + 1)\n    numpy"),
    "seed of numpy": ("step.py", "numpy.random.seed(seed)", "numpy.random.seed(seed + 1)"),
    "threads": ("step.py", '"OMP_NUM_THREADS", "1"', '"OMP_NUM_THREADS", "2"'),
    "booleans": ("step.py", 'text.lower() == "true"', 'text.lower() != "true"'),
    "settings": ("step.py", "adapter.validate_json(text)", "adapter.validate_json(text) or None"),
    "arguments": ("step.py", "vars(parser.parse_args(argv))", "vars(parser.parse_args(argv[::-1]))"),
    "the context": ("step.py", "context if kind is Context", "context if kind is not Context"),
    "number of processes": ("processes.py", '"0"', '"1"'),
}
# Outputs of a few steps that take a second each.
CHEAP = ("mimic3/benchmark/split.parquet", "mimic3/benchmark/labels.parquet", "knowledge/terms.parquet")


def mutate(library: Path, file: str, old: str, new: str) -> None:
    path = library / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{file} has changed: adapt the test"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Path]:
    """A copy of the library that digests are computed from, parsed once for all changes."""
    scripts = tmp_path_factory.mktemp("border") / "scripts"
    shutil.copytree(ROOT / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest, "SCRIPTS", scripts)
        yield scripts / "clinragen"


def digests() -> tuple[dict[str, str], str]:
    """Return the digests of all rules, and that of the runtime."""
    return {rule: digest.code_digest(rule) for rule in reruns.keys_of_rules()}, digest.runtime_digest()


@pytest.fixture(scope="module")
def before(library) -> tuple[dict[str, str], str]:
    """The digests without a change."""
    return digests()


def changed(library: Path, *change: str) -> tuple[dict[str, str], str]:
    """Return the digests after a change, which is undone."""
    path = library / change[0]
    text = path.read_text(encoding="utf-8")
    mutate(library, *change)
    try:
        return digests()
    finally:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("file", "old", "new"), NEUTRAL.values(), ids=NEUTRAL.keys())
def test_a_change_of_the_runtime_is_in_its_own_digest_and_in_no_digest_of_a_rule(library, before, file, old, new):
    rules, runtime = before
    changed_rules, changed_runtime = changed(library, f"runtime/{file}", old, new)
    assert changed_rules == rules and changed_runtime != runtime


@pytest.mark.parametrize("change", EFFECTIVE.values(), ids=EFFECTIVE.keys())
def test_a_change_of_code_that_steps_compute_with_is_in_the_digest_of_every_rule(library, before, change):
    rules, _ = before
    now, _ = changed(library, *change)
    assert [rule for rule in rules if now[rule] == rules[rule]] == []


def test_no_change_of_the_runtime_changes_an_output(demo, fork_python, tmp_path):
    """Run steps of the demo again, with all changes together."""
    checkout = copy_of_checkout(tmp_path / "checkout")
    shutil.copy(demo.checkout / "small.yaml", checkout)
    for change in NEUTRAL.values():
        mutate(checkout / "scripts/clinragen/runtime", *change)
    arguments = ("--cores", "2", "--quiet", "all", "--", *(RESULTS / path for path in CHEAP))
    succeeded(snakemake(*CONFIGURATION, *arguments, cwd=checkout, PATH=path_with(fork_python.parent)))
    now, before = (records(directory / RESULTS) for directory in (checkout, demo.checkout))
    assert len(now) > 10 and all(record["another"] == 1 for record in now.values())
    assert {record["code_digest"] for record in now.values()} <= {r["code_digest"] for r in before.values()}
    assert {path: r["output"]["sha256"] for path, r in now.items()} == {
        path: before[path]["output"]["sha256"] for path in now
    }
    log = (checkout / RESULTS / "logs/extract_stays/mimic3.log").read_text(encoding="utf-8")
    assert log.startswith("at ") and "done after" in log


def test_other_code_imports_from_the_runtime_only_names_that_no_value_can_pass_through():
    names, modules = set(), set()
    runtime = (ROOT / reruns.RUNTIME).resolve()
    for path in (ROOT / "scripts").rglob("*.py"):
        if not path.is_relative_to(runtime):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name for alias in node.names if alias.name.startswith(digest.NEUTRAL)}
                elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(digest.NEUTRAL):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    modules |= {alias.name for alias in node.names if f"{node.module}.{alias.name}" == digest.NEUTRAL}
    assert names == set(ACROSS) and modules == set()
