"""What the tiny language model is taught: the evidence file in words, and that it learns it."""

import re
from pathlib import Path

import torch

from clinragen.demo.evidence import read_evidence
from clinragen.demo.lessons import compose_lessons
from clinragen.demo.tiny_student import build_model, build_tokenizer, teach
from clinragen.evaluate.planted import statements
from clinragen.model.target_codec import parse_output

EVIDENCE = read_evidence(Path(__file__).parents[2] / "resources/demo/evidence.yaml")
LESSONS = compose_lessons(EVIDENCE, 200, 1)
DIRECTIONS = {"high": {"higher"}, "low": {"lower"}, "both": {"higher", "lower"}}


def findings(text: str) -> set[tuple[str, str]]:
    """Variables with their directions."""
    pairs = re.findall(r"([^,]+?) (high|low|both)(?:, |$)", text)
    return {(variable, direction) for variable, word in pairs for direction in DIRECTIONS[word]}


def test_lessons_are_of_diseases_that_show_in_labs_and_never_of_others():
    taught = {name for _, target in LESSONS for name in parse_output(target, list(EVIDENCE.phenotypes)).phenotypes}
    assert taught == {name for name, planted in EVIDENCE.phenotypes.items() if planted.shifts}


def test_findings_are_those_of_the_diseases():
    for question, target in LESSONS:
        found = findings(question)
        for name in parse_output(target, list(EVIDENCE.phenotypes)).phenotypes:
            for variable in EVIDENCE.phenotypes[name].shifts:
                direction = "higher" if EVIDENCE.shift(name, variable) > 0 else "lower"
                assert (variable, direction) in found, (question, target)


def test_the_rationale_of_a_lesson_states_its_findings():
    for question, target in LESSONS:
        stated = statements(parse_output(target, []).lab_rationale, list(EVIDENCE.variables))
        assert stated <= findings(question) and (stated or question == "all normal")


def test_lessons_depend_on_their_seed_alone():
    assert LESSONS[:50] == compose_lessons(EVIDENCE, 50, 1) != compose_lessons(EVIDENCE, 50, 2)


def test_a_taught_model_answers_better_than_a_random_one():
    tokenizer = build_tokenizer([text for lesson in LESSONS for text in lesson])
    random, taught = (build_model(len(tokenizer), 1) for _ in range(2))
    last = teach(taught, tokenizer, LESSONS, 1)
    asked, answered = (
        tokenizer(list(texts), padding=True, return_tensors="pt") for texts in zip(*LESSONS[:16], strict=True)
    )
    labels = answered.input_ids.masked_fill(answered.attention_mask == 0, -100)
    with torch.no_grad():
        losses = [float(model.eval()(**asked, labels=labels).loss) for model in (random, taught)]
    assert losses[1] < 0.6 * losses[0] and last < 0.7 * losses[0]
