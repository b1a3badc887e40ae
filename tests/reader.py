"""A person who follows the documentation: types its commands, word by word, in a copy of the repository."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from runs import ROOT, copy_of_checkout, path_with

# The environment is that of the tests, so `make` must not install another one.
INSTALLED = "--old-file .venv/.installed --old-file .venv-validator/.installed"
DEMO = "--configfile config/demo.yaml"


@dataclass
class Reader:
    """A person in a directory, who reads pages that are written for larger runs than a test can afford."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that the person has exported."""
    configuration: str = DEMO
    """What replaces the configuration of the demo, to make it small."""

    def types(self, command: str, page: str, also: str = "") -> str:
        """Run a command of a page, and `also` further arguments; return what the terminal shows.

        AssertionError if the page does not have the command, or if it fails.
        """
        assert command in text_of(page), f"{page} does not say: {command}"
        return self.does(f"{command} {also}".rstrip())

    def does(self, command: str) -> str:
        """Run a command that no page has to spell out, such as an edit; return what the terminal shows."""
        status, shown = self.tries(command)
        assert status == 0, f"{command}: exit status {status}\n{shown[-6000:]}"
        return shown

    def tries(self, command: str) -> tuple[int, str]:
        """Run a command that may fail; return its exit status and what the terminal shows."""
        run = subprocess.run(
            ["bash", "-c", self._in_small(command)],
            cwd=self.directory,
            env=os.environ | {"PATH": path_with()} | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return run.returncode, run.stdout

    def _in_small(self, command: str) -> str:
        if not command.startswith("make "):
            return command.replace(DEMO, self.configuration)
        small = f'DEMO="{self.configuration} --cores 2" overlay="{self.configuration}"'
        return f"{command} {INSTALLED} {small if self.configuration != DEMO else ''}"


def text_of(page: str) -> str:
    """Return a page of the documentation on one line."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def make_repository(directory: Path) -> Path:
    """Commit everything in a directory to a new git repository."""
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "--all"), (*identity, "commit", "-qm", "all")):
        subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True)
    return directory


def published(directory: Path) -> Path:
    """Return a repository with the files of this checkout, to be cloned."""
    return make_repository(copy_of_checkout(directory))
