"""Lab claims: variables and directions in the wordings of captions, teachers and students."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_folders import RESOURCES

from clinragen.benchmark.captions import caption
from clinragen.errors import UserError
from clinragen.evaluate.planted import statements
from clinragen.evaluate.texts.lab_claims import read_lab_wordings
from clinragen.registry.variables import read_variables

NAMES = [v.name for v in read_variables(RESOURCES / "variables.csv", 11)]
WORDINGS = read_lab_wordings(RESOURCES / "lab_wordings.csv", NAMES)
SHORT = {
    "Diastolic blood pressure": "dia",
    "Mean blood pressure": "mean",
    "Systolic blood pressure": "sys",
    "Heart Rate": "heart",
    "Oxygen saturation": "oxygen",
    "Respiratory rate": "breath",
    "Temperature": "temp",
    "Glucose": "glucose",
    "pH": "pH",
    "Weight": "weight",
}


def read(text: str) -> set[str]:
    """Return the claims, as `glucose+`; `any-` for an unspecified blood pressure."""
    found = set()
    for claim in WORDINGS.claims(text):
        name = SHORT[claim.variables[0]] if len(claim.variables) == 1 else "any"
        found.add(name + {"higher": "+", "lower": "-"}[claim.direction])
    return found


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        # The teacher's worked examples (resources/prompts/examples.yaml), as a reader understands them.
        (
            "Lab test shows repeated fever, rapid breathing and episodes of low oxygen saturation, which agree with "
            "impaired gas exchange and inflammation in pneumonia.",
            "temp+ breath+ oxygen-",
        ),
        (
            "Lab test shows many episodes of rapid heart rate together with fast breathing and raised weight, in "
            "keeping with atrial fibrillation and fluid retention in congestive heart failure.",
            "heart+ breath+ weight+",
        ),
        (
            "Lab test shows values within normal limits apart from one raised systolic pressure, which supports no "
            "diagnosis after an uneventful operation.",
            "sys+",
        ),
        (
            "Lab test shows persistently high glucose, low pH and compensating rapid breathing with low blood "
            "pressure, which fit diabetic ketoacidosis with volume loss.",
            "glucose+ pH- breath+ any-",
        ),
        (
            "Lab test shows rapid heart rate with low systolic and mean blood pressure on several occasions, as "
            "expected in shock from variceal hemorrhage.",
            "heart+ sys- mean-",
        ),
        # A paraphrase of the sentence in the released questionnaire that the captions contradict.
        ("Lab test shows elevated diastolic blood pressure and temperature.", "dia+ temp+"),
        ("Glucose is higher than normal 3 times and lower than normal 2 times.", "glucose+ glucose-"),
        ("Heart rate and temperature were elevated, while pH was low.", "heart+ temp+ pH-"),
        ("Elevated heart rate and oxygen saturation was low.", "heart+ oxygen-"),
        ("glucose high and pH low", "glucose+ pH-"),
        ("There were elevations in heart rate, respiratory rate and systolic blood pressure.", "heart+ breath+ sys+"),
        ("SpO2 dropped below normal; tachycardia.", "oxygen- heart+"),
        ("normal heart rate, high glucose", "glucose+"),
        ("Temperature is normal, glucose and pH are high.", "glucose+ pH+"),
        # Denied, normal, or not a reading.
        ("Fever was absent, and the patient is afebrile and not tachycardic.", ""),
        ("Heart rate was not elevated and temperature was high.", "temp+"),
        ("No elevated heart rate, low pH or fever.", ""),
        ("without hypoxia and with elevated glucose", "glucose+"),
        ("All measured values were normal.", ""),
        ("low-normal blood pressure, stable heart rate", ""),
        ("Essential hypertension and increased work of breathing.", ""),
        ("low oxygen saturation in the setting of heart rate", "oxygen-"),
        ("", ""),
    ],
)
def test_what_a_sentence_claims(text, claims):
    assert read(text) == set(claims.split())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=11, max_size=11), st.booleans())
def test_captions_are_read_as_they_were_written(counts, in_one_sentence):
    """For any counts, also joined into one sentence as the template teacher does."""
    sentences = [caption(name, *pair) for name, pair in zip(NAMES, counts, strict=True)]
    text = " ".join(sentences)
    if in_one_sentence:
        text = f"Lab test shows that {', '.join(s.rstrip('.') for s in sentences[:-1])} and {sentences[-1]}"
    found = {(name, claim.direction) for claim in WORDINGS.claims(text) for name in claim.variables}
    assert (
        found
        == statements(text, NAMES)
        == {
            (name, direction)
            for name, pair in zip(NAMES, counts, strict=True)
            for direction, number in zip(("higher", "lower"), pair, strict=True)
            if number
        }
    )


@given(st.text(alphabet=" ,.;highlowfever Hno<&>pH123", max_size=60))
def test_no_text_breaks_the_parser(text):
    assert all(claim.direction in ("higher", "lower") for claim in WORDINGS.claims(text))


def test_variables_without_captions_are_ignored():
    glucose = read_lab_wordings(RESOURCES / "lab_wordings.csv", ["Glucose"])
    assert [str(c) for c in glucose.claims("high glucose, low pH, hypotension")] == ["Glucose higher"]


def test_a_file_with_invalid_directions_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("wording,variables,direction\nfever,Temperature,up\n", encoding="utf-8")
    with pytest.raises(UserError, match="restore it with git checkout"):
        read_lab_wordings(tmp_path / "x.csv", NAMES)
