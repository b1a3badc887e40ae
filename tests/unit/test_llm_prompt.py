"""Prompts: their slots are checked when they are read and when they are filled."""

import hashlib

import pytest

from clinragen.errors import UserError
from clinragen.llm.prompt import cut_note, read_prompt


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


@pytest.mark.parametrize(
    ("note", "most", "kept"),
    [
        ("fever and cough", None, "fever and cough"),
        ("fever and cough", 15, "fever and cough"),
        ("fever and cough", 14, "fever and"),
        ("fever and cough", 9, "fever and"),
        ("fever and cough", 10, "fever and"),
        ("fever and cough", 8, "fever"),
        ("fever\n\nand cough", 8, "fever"),
        ("unbroken" * 9, 20, ("unbroken" * 9)[:20]),
        ("unbroken" * 9 + " end", 20, ("unbroken" * 9)[:20]),
        ("", 1, ""),
    ],
)
def test_a_note_is_cut_after_a_word_and_what_is_missing_is_counted(note, most, kept):
    assert cut_note(note, most) == (kept, len(note) - len(kept))
