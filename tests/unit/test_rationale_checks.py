"""Checks of rationales."""

from pathlib import Path

import pytest

from clinragen.llm.request import Request
from clinragen.rationale.checks import check_lab, check_note, coverage, sentences
from clinragen.rationale.claims import read_wordings

WORDINGS = read_wordings(Path(__file__).resolve().parents[2] / "resources/phenotype_wordings.csv")
FILL = " with several findings that all speak for it during the whole of the stay in hospital."


def note(text: str, *diagnoses: str) -> list[str]:
    return check_note(WORDINGS, Request("note_rationale", "", "", {"diagnoses": list(diagnoses)}), text)


def lab(text: str, *diagnoses: str) -> list[str]:
    return check_lab(WORDINGS, Request("lab_rationale", "", "", {"diagnoses": list(diagnoses)}), text)


def test_good_answers():
    assert note(f"Based on the medical notes, septic shock was seen{FILL}", "Shock") == []
    assert note(f"Based on the medical notes, no disease\nwas diagnosed{FILL}") == []
    assert lab("Lab test shows a pH of 7.21 with fast breathing.") == []


@pytest.mark.parametrize(
    ("problems", "fact"),
    [
        (note(f"The notes show shock{FILL}", "Shock"), "start with"),
        (note("Based on the medical notes, shock.", "Shock"), "15 to 160 words"),
        (note(f"Based on the medical notes, shock. {FILL * 10}", "Shock"), "15 to 160 words"),
        (note(f"Based on the medical notes, all is well{FILL}"), "no disease was diagnosed"),
        (note(f"Based on the medical notes, no disease was diagnosed{FILL}", "Shock"), "although there are diagnoses"),
        (note(f"Based on the medical notes, shock{FILL}", "Shock", "Pneumonia", "Essential hypertension"), "half"),
        (lab("The lab test is fine and nothing else."), "start with"),
        (lab("Lab test shows fever now. It also shows fast breathing."), "one sentence"),
        (lab("Lab test shows " + "high " * 49), "5 to 50 words"),
        (note(f"Based on the medical notes, shock and sepsis{FILL}", "Shock"), "not given: sepsis"),
        (note(f"Based on the medical notes, no disease was diagnosed except a stroke{FILL}"), "not given: stroke"),
        (
            lab("Lab test shows fever and fast breathing in pneumonia and septic shock.", "Shock"),
            "not given: pneumonia",
        ),
    ],
)
def test_each_fault_is_named(problems, fact):
    assert len(problems) == 1 and fact in problems[0]


@pytest.mark.parametrize(
    ("text", "diagnosis", "expected"),
    [
        ("the hypertensive patient", "Essential hypertension", 1.0),
        ("an acute disease", "Acute cerebrovascular disease", 0.0),
        ("kidney injury", "Chronic kidney disease", 1.0),
        ("complications of surgical care", "Complications of surgical procedures or medical care", 1.0),
    ],
)
def test_coverage_needs_a_specific_word(text, diagnosis, expected):
    assert coverage(text, [diagnosis]) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A b.", 1),
        ("A b. C d!", 2),
        ("pH 7.2 and K 3.1", 1),
        ("", 0),
        ("A b?! ", 1),
        ("A pH of 7.2 vs. 7.4, i.e. acidosis (e.g. lactate of approx. 4.5).", 1),
        ("Seen by Dr. Smith and Mrs. Jones, cf. the note of St. Mary.", 1),
        ("Sample no. 3 at 5 p.m. was high.", 1),
        ("Aspirin was given p.o. b.i.d. for fever.", 1),
        ("The heart rate, glucose, etc. were high.", 1),
        ("It was 5 p.m. The glucose rose.", 2),
        ("The K was 3.1. It rose.", 2),
        ("The heart rate, glucose, etc. were high. They fell.", 2),
        ("fever. chills.", 2),
    ],
)
def test_numbers_and_abbreviations_do_not_end_a_sentence(text, number):
    assert sentences(text) == number
