"""Written targets are parsed again, unchanged and as tokenizers and small models deform them."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_student import PHENOTYPES, tokenizer

from clinragen.model.target_codec import Parsed, diagnoses_end, parse_output, write_target
from clinragen.registry.phenotypes import NO_DISEASE

SUBSETS = st.lists(st.sampled_from(PHENOTYPES), unique=True)
MARKERS = st.sampled_from(["Diagnoses:", "note rationale :", "LAB  RATIONALE:", "Note", "lab", "rationale:", "\n"])
PROSE = st.lists(st.text() | MARKERS, max_size=8).map(" ".join)
# The marks where T5 breaks a text: it may set white space around them.
PUNCTUATION = re.compile(r"([,;:().])")


def in_order(names: list[str]) -> list[str]:
    return [p for p in PHENOTYPES if p in names]


@given(SUBSETS, st.none() | PROSE, st.none() | PROSE, st.booleans())
@example(["Shock"], "note diagnoses: rationale: x", None, False)
@example([], "lab note rationale: rationale: Shock", None, False)
@example(["Shock"], "note diagnoses: rationale: x", "lab", True)
def test_what_is_written_is_parsed_in_either_order(names, note, lab, rationale_first):
    written = write_target(names, note, lab, rationale_first)
    parsed = parse_output(written, PHENOTYPES)
    assert parsed.phenotypes == in_order(names) and parsed.unknown == []
    assert (parsed.note_rationale is None, parsed.lab_rationale is None) == (note is None, lab is None)
    assert write_target(names, parsed.note_rationale, parsed.lab_rationale, rationale_first) == written
    assert parsed == parse_output(write_target(names, note, lab, not rationale_first), PHENOTYPES)


def test_the_diagnoses_are_the_first_section_or_the_last():
    assert write_target(["Shock"], "cold", "pH") == "Diagnoses: Shock. Note rationale: cold Lab rationale: pH"
    last = write_target(["Shock"], "cold", "pH", rationale_first=True)
    assert last == "Note rationale: cold Lab rationale: pH Diagnoses: Shock."
    assert write_target(["Shock"], rationale_first=True) == "Diagnoses: Shock."


@given(
    SUBSETS,
    st.text(st.characters(exclude_characters=":")),
    st.text(st.characters(exclude_characters=":")),
    st.booleans(),
)
def test_rationales_come_back_with_white_space_collapsed(names, note, lab, rationale_first):
    parsed = parse_output(write_target(names, f"on {note}", f"shows {lab}", rationale_first), PHENOTYPES)
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


# Texts of the disease section, the phenotypes read from them, and the names that cannot be read.
KIDNEYS, STROKE, HEART = "Acute and unspecified renal failure", "Acute cerebrovascular disease", "Cardiac dysrhythmias"
LUNG = "Chronic obstructive pulmonary disease and bronchiectasis"
CORONARY, PRESSURE = "Coronary atherosclerosis and other heart disease", "Essential hypertension"
PNEUMONIA = "Pneumonia (except that caused by tuberculosis or sexually transmitted disease)"
FAILURE, SEPSIS = "Respiratory failure; insufficiency; arrest (adult)", "Septicemia (except in labor)"
GOLDEN = {
    f"Shock, {PRESSURE} and {SEPSIS}": ([PRESSURE, SEPSIS, "Shock"], []),
    f"Shock, {PRESSURE}, and {SEPSIS}": ([PRESSURE, SEPSIS, "Shock"], []),
    f"{CORONARY} and {KIDNEYS}": ([KIDNEYS, CORONARY], []),
    f"{KIDNEYS} and {LUNG} and Shock": ([KIDNEYS, LUNG, "Shock"], []),
    "Shock and gout": (["Shock"], ["gout"]),
    "gout and rickets and Shock": (["Shock"], ["gout and rickets"]),
    "Fluid and electrolyte disorders, and": (["Fluid and electrolyte disorders"], []),
    # Shortened: whole words that only one phenotype begins with.
    "Pneumonia, respiratory failure, Septicemia": ([PNEUMONIA, FAILURE, SEPSIS], []),
    "Chronic obstructive pulmonary disease and Coronary atherosclerosis": ([LUNG, CORONARY], []),
    "Acute cerebrovascular, Acute and unspecified": ([KIDNEYS, STROKE], []),
    "Diabetes mellitus": ([], ["diabetes mellitus"]),  # two begin so
    "Diabetes mellitus with": ([], ["diabetes mellitus with"]),
    "Hypertension, Essential, Cardiac": ([], ["hypertension", "essential", "cardiac"]),  # one word of several
    "Acute cerebrovasc, Septic": ([], ["acute cerebrovasc", "septic"]),  # no whole words
    "Pneumonias, Shocked": ([], ["pneumonias", "shocked"]),
}


@pytest.mark.parametrize("section", GOLDEN)
def test_what_is_read_from_a_disease_section(section):
    for text in (f"Diagnoses: {section}.", f"Diagnoses: {section}. Note rationale: Gout"):
        parsed = parse_output(text, PHENOTYPES)
        assert (parsed.phenotypes, parsed.unknown) == GOLDEN[section]


@pytest.mark.parametrize(
    ("text", "phenotypes", "unknown"),
    [
        ("Diagnoses: Shock, Cardia", [HEART, "Shock"], []),
        ("Diagnoses: Shock and Acute c", [STROKE, "Shock"], []),
        ("Diagnoses: Shock, Diabetes mellitus with", ["Shock"], ["diabetes mellitus with"]),
        ("Diagnoses: Shock, Cardi", ["Shock"], ["cardi"]),
        ("Diagnoses: Cardia, Shock", ["Shock"], ["cardia"]),  # only the last name is cut
        ("Diagnoses: Cardia Note rationale: Acute c", [], ["cardia"]),  # the section is whole
    ],
)
def test_the_last_name_of_a_cut_output_may_end_anywhere(text, phenotypes, unknown):
    parsed = parse_output(text, PHENOTYPES, cut=True)
    assert (parsed.phenotypes, parsed.unknown) == (phenotypes, unknown)


@given(st.lists(st.sampled_from(PHENOTYPES), unique=True, min_size=2))
def test_any_order_is_read_also_with_and_before_the_last_name(names):
    for joint in (", ", " and ", ", and "):
        parsed = parse_output(f"Diagnoses: {', '.join(names[:-1])}{joint}{names[-1]}.", PHENOTYPES)
        assert (parsed.phenotypes, parsed.unknown) == (in_order(names), [])


@settings(max_examples=500)
@given(SUBSETS, st.booleans(), st.data())
def test_one_wrong_character_makes_no_other_phenotype(names, rationale_first, data):
    text = write_target(names, "cold", rationale_first=rationale_first)
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from(["", "a", " ", ",", ";", ".", "(", ":", "\n", "é", text[place] * 2]))
    wrong = text[:place] + put + text[place + data.draw(st.integers(0, 1)) :]
    parsed = parse_output(wrong, PHENOTYPES)
    assert set(parsed.phenotypes) <= set(names)


@given(SUBSETS.filter(bool), st.booleans(), st.data())
def test_a_cut_output_names_no_other_phenotype(names, rationale_first, data):
    text = write_target(names, "cold", rationale_first=rationale_first)
    parsed = parse_output(text[: data.draw(st.integers(0, len(text)))], PHENOTYPES, cut=True)
    assert set(parsed.phenotypes) <= set(names)


@given(SUBSETS, PROSE, PROSE)
def test_the_diagnoses_are_those_of_the_text_before_the_next_marker(names, note, lab):
    text = write_target(names, note, lab)
    end = diagnoses_end(text)
    assert text[end:].startswith("Note rationale:")
    assert parse_output(text[:end], PHENOTYPES) == Parsed(in_order(names), [], None, None)
    # As long as the marker is not whole, the section may go on.
    assert all(diagnoses_end(text[:n]) is None for n in range(end + len("Note rationale:")))


@given(SUBSETS, PROSE, PROSE)
def test_nothing_ends_diagnoses_that_come_last(names, note, lab):
    assert diagnoses_end(write_target(names, note, lab, rationale_first=True)) is None


def test_an_output_that_ends_before_its_diagnoses_is_not_readable():
    assert not parse_output("Note rationale: cold and", PHENOTYPES, cut=True).readable
    cut = parse_output("Note rationale: cold Diagnoses: Shock, Cardia", PHENOTYPES, cut=True)
    assert cut.phenotypes == ["Cardiac dysrhythmias", "Shock"] and cut.note_rationale == "cold"


def test_a_marker_before_the_diagnoses_does_not_end_them():
    assert diagnoses_end("Note rationale: cold. Diagnoses: Shock.") is None
    text = "Note rationale: cold. Diagnoses: Shock. Lab rationale: x"
    assert text[diagnoses_end(text) :] == "Lab rationale: x"


def test_a_model_that_repeats_itself_is_read():
    text = "Diagnoses: " + "Shock and gout and " * 3000
    assert parse_output(text, PHENOTYPES).phenotypes == ["Shock"]
