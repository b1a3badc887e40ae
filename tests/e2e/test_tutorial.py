"""The tutorial, followed in a copy of the finished demo: its commands work, in order, and print what it shows."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import demo as finished
import pytest
from documented import blocks
from runs import ROOT, path_with

PAGE = "docs/tutorial.md"
# Done before the copy is made (clone, set-up, the demo itself), or without effect there.
DONE = re.compile(r"git clone |cd |source |make demo$")
PROMPT = "resources/prompts/note_rationale.txt"
# The miniature has more overlays than the demo.
MINIATURE = " ".join(finished.CONFIGURATION)
# What differs between the demo and its miniature, or between two machines.
VARIES = re.compile(r"\b[0-9a-f]{8,}\b|\d[\d,.]*|\bjobs?\b")
QUOTED = re.compile(r"^Based on the medical notes, .* mention(?:ing)? (.*?)(?:, which points .*)?\.$", re.MULTILINE)
LEFT_OUT = "..."


def steps() -> list[tuple[str, list[str]]]:
    """The commands of the page, each with the lines that the page shows below it."""
    commands: list[tuple[str, list[str]]] = []
    for block in blocks():
        if block.page == PAGE and block.language == "console":
            for line in block.body.splitlines():
                if line.startswith("$ "):
                    commands.append((line[2:], []))
                elif line.strip() and line != LEFT_OUT:
                    commands[-1][1].append(line)
    return commands


def in_miniature(command: str) -> str:
    """The command as it is run here: the copy is not a git repository, and has more overlays than the demo."""
    if command.startswith("git checkout "):
        return f"cp {ROOT / PROMPT} {PROMPT}"
    if command.startswith("make "):
        return f'{command} --old-file .venv/.installed overlay="{MINIATURE}"'
    return command.replace("--configfile config/demo.yaml", MINIATURE)


def general(line: str) -> str:
    """A line of output without what varies."""
    line = re.sub(r"(Based on the medical notes, ).*", r"\1", line)
    return " ".join(VARIES.sub("#", line).split())


@pytest.fixture(scope="module")
def checkout(demo: finished.Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished demo that the tutorial may change."""
    directory = tmp_path_factory.mktemp("tutorial") / "checkout"
    shutil.copytree(demo.checkout, directory, symlinks=True)
    return directory


@pytest.mark.slow
def test_the_tutorial_can_be_followed(checkout):
    quoted = []
    for command, shown in steps():
        if DONE.match(command):
            continue
        run = subprocess.run(
            ["bash", "-c", in_miniature(command)],
            cwd=checkout,
            env=os.environ | {"PATH": path_with()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"{command}\n{run.stdout}"
        printed = {general(line) for line in run.stdout.splitlines()}
        assert [line for line in shown if general(line) not in printed] == [], f"{command}\n{run.stdout}"
        quoted += [len(re.split(", | and ", words)) for words in QUOTED.findall(run.stdout)]
    before, after = quoted
    assert before == 6 < after, "the prompt asks for twice as many words"
