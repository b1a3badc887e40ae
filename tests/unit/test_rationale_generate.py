"""From tables to requests and back, with the shipped prompts and examples."""

from pathlib import Path

import pyarrow as pa
import pytest

from clinragen.errors import UserError
from clinragen.llm.request import Answer
from clinragen.llm.template import compose
from clinragen.rationale.checks import check_lab, check_note
from clinragen.rationale.generate import gather, lab_rationales, note_rationales
from clinragen.rationale.prompts import (
    lab_request,
    named,
    note_request,
    read_examples,
    read_lab_prompt,
    read_note_prompt,
)
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.rationale import RATIONALES

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
EXAMPLES = read_examples(RESOURCES / "prompts" / "examples.yaml")
NOTE_PROMPT = read_note_prompt(RESOURCES / "prompts" / "note_rationale.txt")
LAB_PROMPT = read_lab_prompt(RESOURCES / "prompts" / "lab_rationale.txt")
PHENOTYPES = read_phenotypes(RESOURCES / "phenotypes.csv")


def table(kind, **columns):
    return pa.table(columns).cast(kind.schema)


@pytest.fixture
def samples():
    return {
        "samples": table(SAMPLES, stay_id=[3, 1], subject_id=[7, 8], hadm_id=[7, 8], split=["test", "train"]),
        "courses": table(COURSES, stay_id=[1, 3, 9], heading=["h"] * 3, text=["fever cough", "melena $5 shock", "x"]),
        "labels": table(LABELS, stay_id=[1, 3, 9], phenotypes=[[], ["Shock"], []]),
        "captions": table(CAPTIONS, stay_id=[1, 3, 9], text=["ph is lower than normal one times."] * 3),
    }


def template(requests):
    return [Answer(str(i), text) for i, text in enumerate(compose(requests))]


def test_every_sample_gets_both_rationales(samples):
    captions = samples.pop("captions")
    notes = note_rationales(gather(**samples), NOTE_PROMPT, EXAMPLES, template)
    labs = lab_rationales(gather(**samples, captions=captions, notes=notes), LAB_PROMPT, EXAMPLES, template)
    for result in (notes, labs):
        assert RATIONALES.check(result, "here")["stay_id"].to_pylist() == [1, 3]
    assert "no disease was diagnosed" in notes["text"][0].as_py() and "Shock" in notes["text"][1].as_py()
    assert labs["text"][1].as_py().startswith("Lab test shows that ph is lower than normal one times")


@pytest.mark.parametrize("name", ["courses", "labels", "captions"])
def test_a_sample_without_its_part_is_an_error(samples, name):
    samples[name] = samples[name].slice(1)
    with pytest.raises(UserError, match="1 of 2 samples have no"):
        gather(**samples)


def test_the_prompts_hold_their_slots_in_the_paper_s_order():
    note = note_request(NOTE_PROMPT, EXAMPLES, "THE $NOTE", ["Shock", "X; y"]).prompt
    lab = lab_request(LAB_PROMPT, EXAMPLES, "THE $NOTE", "CAPTIONS", ["X y"], "R OF NOTE").prompt
    for text, parts in (
        (note, ["Example 1", "Example 5", "THE $NOTE", "Shock; X, y", "about 100 words", "Response:"]),
        (lab, ["Example 1", "Example 5", "THE $NOTE", "CAPTIONS", "X y", "R OF NOTE", "50 words", "Response:"]),
    ):
        places = [text.rindex(part) for part in parts]
        assert places == sorted(places)
    assert named([]) == "no disease was diagnosed"


def test_the_examples_pass_our_own_checks():
    assert len(EXAMPLES) == 5
    for e in EXAMPLES:
        assert set(e.diagnoses) <= set(PHENOTYPES)
        assert check_note(note_request(NOTE_PROMPT, EXAMPLES, e.note, e.diagnoses), e.note_rationale) == []
        request = lab_request(LAB_PROMPT, EXAMPLES, e.note, e.captions, e.diagnoses, e.note_rationale)
        assert check_lab(request, e.lab_rationale) == []


def test_template_rationales_pass_the_checks():
    note = " ".join(f"finding{chr(97 + i)}word" for i in range(20))
    for diagnoses in ([], PHENOTYPES[:1], PHENOTYPES[:4]):
        requests = [
            note_request(NOTE_PROMPT, EXAMPLES, note, diagnoses),
            lab_request(LAB_PROMPT, EXAMPLES, note, "heart rate is higher than normal two times.", diagnoses, "r"),
        ]
        note_text, lab_text = compose(requests)
        assert check_note(requests[0], note_text) == [] and check_lab(requests[1], lab_text) == []
        assert 15 <= len(note_text.split()) <= 60


@pytest.mark.parametrize("text", ["a: 1", "[]", "- note: x", "- {note: x, captions: c, diagnoses: d}"])
def test_examples_with_missing_parts_are_refused(tmp_path, text):
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"e\.yaml"):
        read_examples(path)
