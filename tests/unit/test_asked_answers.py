"""Free-form answers of untrained models: their diagnoses are parsed, and no text breaks the parser."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_student import PHENOTYPES

from clinragen.asked.answers import parse_answer
from clinragen.model.target_codec import write_target

SHOCK, FAILURE = "Shock", "Respiratory failure; insufficiency; arrest (adult)"
HEART, PRESSURE = "Congestive heart failure; nonhypertensive", "Essential hypertension"
SUBSETS = st.lists(st.sampled_from(PHENOTYPES), unique=True, min_size=1)
# How models write a list of names.
FORMATS = {
    "the students' format": write_target,
    "commas": ", ".join,
    "semicolons": "; ".join,
    "commas in names": lambda names: "; ".join(n.replace(";", ",") for n in names) + ".",
    "lines": "\n".join,
    "bullets": lambda names: "Sure! Here they are:\n\n" + "\n".join(f"- {n}" for n in names) + "\n\nPlease note this.",
    "numbers": lambda names: "\n".join(f"{i}. {n}" for i, n in enumerate(names, 1)),
    "numbers in one line": lambda names: ", ".join(f"{i}) {n}" for i, n in enumerate(names, 1)),
    "bold with reasons": lambda names: "**Diagnoses:**\n\n" + "\n".join(f"* **{n}**: as the note says" for n in names),
    "dashes": lambda names: (
        "### Diagnosed diseases:\n" + "\n".join(f"1. {n.upper()} - it is in the note" for n in names)
    ),
    "JSON list": json.dumps,
    "JSON object": lambda names: f"```json\n{json.dumps({'diagnoses': names}, indent=1)}\n```",
    "JSON of objects": lambda names: json.dumps({"diseases": [{"name": n, "reason": "fever, gout"} for n in names]}),
    "JSON of flags": lambda names: json.dumps({n: True for n in names} | {"Gout": False}),
}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
@given(names=SUBSETS)
def test_phenotypes_are_read_in_every_form(form, names):
    parsed = parse_answer(form(names), PHENOTYPES)
    assert parsed.phenotypes == [p for p in PHENOTYPES if p in names]
    assert parsed.unknown == [] and parsed.readable


@pytest.mark.parametrize(
    ("text", "phenotypes", "unknown"),
    [
        ("Diagnoses: Shock, gout.", [SHOCK], ["gout"]),
        ("Acute kidney injury, sepsis, anemia", [], ["acute kidney injury", "sepsis", "anemia"]),
        ("1. Acute kidney injury: creatinine rose\n2. **Shock** – pressors", [SHOCK], ["acute kidney injury"]),
        ('["Gout", "shock"]', [SHOCK], ["gout"]),
        ("Essential hypertension and gout", [PRESSURE], ["gout"]),
        ("1. Gout\n2. Respiratory failure\n3. Hypertension", [FAILURE], ["gout", "hypertension"]),
        ("Essential hypertension, and Shock", [PRESSURE, SHOCK], []),
        (f"Findings:\n- fever\n- cough\nDiagnoses: {SHOCK}; {HEART}", [HEART, SHOCK], []),
        (f"{FAILURE.replace(';', ',')}\n{HEART.replace(';', ' ;')}", [HEART, FAILURE], []),
        ("no disease was diagnosed", [], []),
        ("Based on the note, no disease was diagnosed.", [], []),
        ("**None**", [], []),
        ("[]", [], []),
        ('{"diagnoses": []}', [], []),
        ("Diagnoses: No disease was diagnosed.", [], []),
        ("Shock\nGout\n\nPlease note that the lab descriptions may be wrong.", [SHOCK], ["gout"]),
        ("Diagnoses: Shock, Gout.\n\nExplanation: the patient has them.", [SHOCK], ["gout"]),
        ("Shock\nNo disease was diagnosed from the labs alone.", [SHOCK], []),
    ],
)
def test_what_is_read(text, phenotypes, unknown):
    parsed = parse_answer(text, PHENOTYPES)
    assert (parsed.phenotypes, parsed.unknown, parsed.readable) == (phenotypes, unknown, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n ",
        "I cannot help with that.",
        "The patient has pneumonia, fever and chills.",
        "1. The patient was in shock.\n2. It is likely that he had gout.",
        '{"diagnoses": null}',
        "!!! ??? ...",
        "The patient has pneumonia.\nFever and chills",
        "As a language model, I am unable to name diseases of a patient whom nobody has examined in person",
    ],
)
def test_what_cannot_be_read_names_nothing(text):
    parsed = parse_answer(text, PHENOTYPES)
    assert (parsed.phenotypes, parsed.unknown, parsed.readable) == ([], [], False)


@pytest.mark.parametrize(
    "text",
    [
        "Diagnoses: Shock; Gout\nNote rationale: Based on the medical notes, pressors\nwere given.",
        "Diagnoses: Shock, Gout. Note rationale: Based on the medical notes, pressors were given.",
        "**Diagnoses:**\n- Shock\n- Gout\n\n**Rationale:** Based on the medical notes, pressors were given.",
        "1. Shock\n2. Gout\n### Medical note-based rationale:\nBased on the medical notes, pressors were given.",
    ],
)
def test_a_rationale_follows_the_diagnoses(text):
    parsed = parse_answer(text, PHENOTYPES)
    assert (parsed.phenotypes, parsed.unknown) == ([SHOCK], ["gout"])
    assert parsed.note_rationale == "Based on the medical notes, pressors were given."


def test_a_missing_rationale_is_none():
    assert parse_answer("Shock", PHENOTYPES).note_rationale is None
    assert parse_answer("Diagnoses: Shock\nNote rationale: ", PHENOTYPES).note_rationale is None


PARTS = st.sampled_from(
    [
        *PHENOTYPES,
        "Diagnoses:",
        "Note rationale:",
        "\n",
        "- ",
        "1. ",
        "**",
        "```json",
        "{",
        "}",
        "[",
        "]",
        '"',
        ":",
        ",",
        ";",
    ]
)


@given(st.lists(st.text() | PARTS, max_size=12).map("".join) | st.text())
def test_nothing_breaks_the_reader(text):
    parsed = parse_answer(text, PHENOTYPES)
    assert set(parsed.phenotypes) <= set(PHENOTYPES)
    assert parsed.readable or not (parsed.phenotypes or parsed.unknown)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "\n" * 300_000, "{" + "[1," * 20_000, "1. " * 30_000, "*" * 300_000, ", 1" * 30_000]
)
def test_a_long_answer_without_sense_takes_no_time(text):
    started = time.process_time()
    parse_answer(text, PHENOTYPES)
    assert time.process_time() - started < 5
