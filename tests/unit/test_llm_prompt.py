"""Prompts: their slots are checked when they are read and when they are filled."""

import hashlib

import pytest

from clinragen.errors import UserError
from clinragen.llm.prompt import read_prompt


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("$note", r"missing placeholders \['diagnoses'\]"),
        ("$note $diagnoses $labs", r"unknown placeholders \['labs'\]"),
        ("$note $diagnoses 5$ ", r"\$\$"),
    ],
)
def test_a_template_with_wrong_slots_is_refused(tmp_path, text, fact):
    path = tmp_path / "p.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=fact):
        read_prompt(path, {"note", "diagnoses"})


def test_rendering_keeps_values_as_they_are(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("<$note>")
    prompt = read_prompt(path, {"note"})
    assert prompt.render(note="costs $5 ${x} $diagnoses") == "<costs $5 ${x} $diagnoses>"
    assert prompt.version == hashlib.sha256(b"<$note>").hexdigest()
    for wrong in ({}, {"note": "a", "more": "b"}):
        with pytest.raises(ValueError, match="slots"):
            prompt.render(**wrong)
