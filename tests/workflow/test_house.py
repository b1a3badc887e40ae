"""Checks of wording and length, the hooks of pre-commit, and the links of the documentation."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import house
import pytest
from runs import ROOT, copy_of_checkout, path_with

HOOKS = ".pre-commit-config.yaml"
# A file that each hook refuses, and its message. Words that the checks would find here are in two pieces.
REFUSED = {
    "ruff": ("bad.py", "import os\n", "F401"),
    "ruff-format": ("bad.py", "x = [1,2]\n", "would be reformatted"),
    "snakefmt": ("rules/bad.smk", "rule a:\n  input: 'b'\n", "would be changed"),
    "codespell": ("bad.md", "It runs an" + "ew.\n", "an" + "ew ==> again"),
    "house": ("bad.md", "It can" + " not run.\n", "'can" + " not' -> cannot"),
    "yaml": ("bad.yaml", "a: [1\n", "ParserError"),
    "large-files": ("bad.txt", "x" * 600_000, "bad.txt"),
    "keys": ("bad.py", 'KEY = "AKIA' + 'IOSFODNN7EXAMPLF"\n', "AWS Access Key"),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with the hooks and the settings of their tools, and nothing else."""
    directory = tmp_path_factory.mktemp("hooks")
    for name in (HOOKS, "pyproject.toml", "docs/words.txt", "docs/phrases.txt", "tests/house.py"):
        (directory / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, directory / name)
    (directory / ".venv").symlink_to(sys.prefix)
    (directory / ".gitignore").write_text(".venv\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=directory, check=True)
    return directory


def run_hooks(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the hooks on all files of the repository, without network."""
    subprocess.run(["git", "add", "--all"], cwd=repository, check=True)
    surroundings = os.environ | {"PATH": path_with(), "PRE_COMMIT_HOME": f"{repository}-cache"}
    command = ["pre-commit", "run", "--all-files", "--color", "never", *arguments]
    return subprocess.run(command, cwd=repository, env=surroundings, capture_output=True, text=True, check=False)


def test_hooks_pass_on_good_files(repository):
    good = repository / "good.py"
    good.write_text('"""A module."""\n', encoding="utf-8")
    run = run_hooks(repository)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("hook", REFUSED)
def test_hooks_refuse_what_they_are_for(hook, repository):
    name, text, message = REFUSED[hook]
    path = repository / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        run = run_hooks(repository, hook)
    finally:
        path.unlink()
    assert run.returncode == 1 and message in run.stdout, run.stdout + run.stderr


def test_phrases_and_long_modules_are_reported_with_their_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    shutil.copy(ROOT / house.PHRASES, house.PHRASES)
    Path("a.py").write_text("# There is no longer a line.\n# It is" + " no file.\n" + "\n" * 399, encoding="utf-8")
    assert house.main(["a.py"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["a.py: 401 lines; a module has at most 400", "a.py:2: 'is" + " no ' -> is not a"]
    Path("a.py").write_text("# It is not a file.\n", encoding="utf-8")
    assert house.main(["a.py"]) == 0 and capsys.readouterr().out == ""


def test_a_broken_link_of_the_documentation_is_an_error(tmp_path):
    directory = copy_of_checkout(tmp_path / "checkout")
    page = directory / "docs/environments.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text + "\n[no page](nothing.md) [no heading](cluster.md#nothing)\n", encoding="utf-8")
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    (build,) = (line.strip("\t@") for line in lines if line.startswith("\t@sphinx-build"))
    run = subprocess.run(
        build,
        shell=True,
        cwd=directory,
        env=os.environ | {"PATH": path_with()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert len(run.stderr.splitlines()) == 2 and "nothing.md" in run.stderr and "local id not found" in run.stderr, (
        run.stderr
    )


def test_the_layers_of_the_architecture_page_are_those_that_are_checked():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    (layers,) = re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)
    assert [line.partition("#")[0].strip() for line in layers.splitlines()] == tools["importlinter"]["contracts"][0][
        "layers"
    ]
