"""What is written is parsed again, as it stands and as tokenizers and small models deform it."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from toy_student import PHENOTYPES, tokenizer

from clinragen.model.target_codec import Parsed, parse_output, write_target
from clinragen.registry.phenotypes import NO_DISEASE

SUBSETS = st.lists(st.sampled_from(PHENOTYPES), unique=True)
MARKERS = st.sampled_from(["Diagnoses:", "note rationale :", "LAB  RATIONALE:", "Note", "lab", "rationale:", "\n"])
PROSE = st.lists(st.text() | MARKERS, max_size=8).map(" ".join)
# The marks where T5 breaks a text: it may set white space around them.
PUNCTUATION = re.compile(r"([,;:().])")


def in_order(names: list[str]) -> list[str]:
    return [p for p in PHENOTYPES if p in names]


@given(SUBSETS, st.none() | PROSE, st.none() | PROSE)
@example(["Shock"], "note diagnoses: rationale: x", None)
@example([], "lab note rationale: rationale: Shock", None)
def test_what_is_written_is_parsed(names, note, lab):
    written = write_target(names, note, lab)
    parsed = parse_output(written, PHENOTYPES)
    assert parsed.phenotypes == in_order(names) and parsed.unknown == []
    assert (parsed.note_rationale is None, parsed.lab_rationale is None) == (note is None, lab is None)
    assert write_target(names, parsed.note_rationale, parsed.lab_rationale) == written


@given(SUBSETS, st.text(st.characters(exclude_characters=":")), st.text(st.characters(exclude_characters=":")))
def test_rationales_come_back_with_white_space_collapsed(names, note, lab):
    parsed = parse_output(write_target(names, f"on {note}", f"shows {lab}"), PHENOTYPES)
    assert parsed.note_rationale == " ".join(f"on {note}".split())
    assert parsed.lab_rationale == " ".join(f"shows {lab}".split())


@given(SUBSETS)
def test_case_white_space_and_punctuation_do_not_matter(names):
    text = write_target(names, "a", "b")
    for deformed in (text.upper(), text.lower(), PUNCTUATION.sub(r" \1 ", text), text.replace(" ", "\n  ")):
        assert parse_output(deformed, PHENOTYPES) == Parsed(in_order(names), [], *parse_rationales(deformed))


def parse_rationales(text: str) -> tuple[str, str]:
    return ("A", "B") if text.isupper() else ("a", "b")


@given(SUBSETS)
def test_the_tokenizer_gives_back_what_was_written(names):
    text = write_target(names, "Based on the medical notes, cold.", "Lab test shows pH 7.1.")
    ids = tokenizer()(text)["input_ids"]
    parsed = parse_output(tokenizer().decode(ids, skip_special_tokens=True), PHENOTYPES)
    assert parsed == Parsed(in_order(names), [], "Based on the medical notes, cold.", "Lab test shows pH 7.1.")


@given(st.text() | PROSE)
@example("")
def test_garbage_never_raises(text):
    assert set(parse_output(text, PHENOTYPES).phenotypes) <= set(PHENOTYPES)


def test_names_that_are_no_phenotype_are_reported():
    parsed = parse_output("Diagnoses: Shock, Gout, shock of birth, , Essential.", PHENOTYPES)
    assert parsed == Parsed(["Shock"], ["gout", "shock of birth", "essential"], None, None)


def test_a_phenotype_counts_in_the_disease_section_only():
    assert parse_output("Note rationale: Shock", PHENOTYPES).phenotypes == []
    assert parse_output("Shock. Diagnoses: none. Lab rationale: Shock", PHENOTYPES).phenotypes == []


def test_the_first_of_two_sections_counts():
    assert parse_output("Diagnoses: Shock. Diagnoses: Other liver diseases.", PHENOTYPES).phenotypes == ["Shock"]


def test_no_disease():
    assert write_target([]) == f"Diagnoses: {NO_DISEASE}."
    assert parse_output(write_target([]), PHENOTYPES) == Parsed([], [], None, None)


@pytest.mark.parametrize("name", PHENOTYPES)
def test_no_name_is_part_of_the_format(name):
    assert parse_output(write_target([name]), PHENOTYPES).phenotypes == [name]
