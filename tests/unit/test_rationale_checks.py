"""What makes a rationale good or bad."""

import pytest

from clinragen.llm.request import Request
from clinragen.rationale.checks import check_lab, check_note, coverage, sentences

FILL = " with several findings that all speak for it during the whole of the stay in hospital."


def note(text: str, *diagnoses: str) -> list[str]:
    return check_note(Request("note_rationale", "", "", {"diagnoses": list(diagnoses)}), text)


def lab(text: str) -> list[str]:
    return check_lab(Request("lab_rationale", "", "", {"diagnoses": []}), text)


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


def test_sentences():
    assert [sentences(t) for t in ("A b.", "A b. C d!", "pH 7.2 and K 3.1", "", "A b?! ")] == [1, 2, 1, 0, 1]
