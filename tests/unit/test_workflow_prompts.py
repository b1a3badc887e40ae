"""A prompt that cannot be used is named before any job runs."""

import shutil

import pytest
from runs import ROOT

from clinragen.workflow.prompts import READERS, prompt_problems

PROMPTS = ROOT / "resources" / "prompts"


def test_every_prompt_of_this_repository_is_checked_and_right():
    assert {path.name for path in PROMPTS.glob("*.txt")} == set(READERS)
    assert prompt_problems(PROMPTS) == []


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + b" $other", "unknown placeholders ['other']"),
        (lambda text: text.replace(b"$", b""), "missing placeholders ["),
        (lambda text: text + b" costs 5$ ", "stray '$'"),
        (lambda text: text + b"\xff", "not a text in UTF-8"),
        (lambda text: None, "No such file or directory; restore it with git checkout"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_named(tmp_path, name, change, words):
    shutil.copytree(PROMPTS, tmp_path, dirs_exist_ok=True)
    changed = change((PROMPTS / name).read_bytes())
    if changed is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(changed)
    (line,) = prompt_problems(tmp_path)
    assert line.startswith(f"{tmp_path / name}: ") and words in line
