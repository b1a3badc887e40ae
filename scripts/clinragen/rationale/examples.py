"""Checks of a file of worked examples for the teacher: one line per problem, with its place and a remedy."""

import re
from collections.abc import Iterator
from pathlib import Path

from clinragen.errors import UserError
from clinragen.llm.request import Request
from clinragen.rationale.checks import check_lab, check_note
from clinragen.rationale.claims import read_wordings
from clinragen.rationale.prompts import Example, read_examples
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.variables import read_variables

NUMBER = 5
NOTE_LENGTH = (10, 300)  # words: all examples precede every note in the model's context
CAPTION = re.compile(
    r"(?P<variable>.+) is (?:normal all the time|higher than normal \d+ times(?: and lower than normal \d+ times)?|"
    r"lower than normal \d+ times)\."
)


def problems_of_examples(path: Path, resources: Path) -> list[str]:
    """Return the problems of a file of examples, one line each; `resources` is the directory of the project's tables.

    The rationales must pass the checks that a teacher's answers must pass.
    """
    try:
        examples = read_examples(path)
        found = [
            f"{path}: example {n}, {problem}"
            for n, example in enumerate(examples, 1)
            for problem in _problems(example, resources)
        ]
    except UserError as error:
        return [str(error)]
    except OSError as error:
        return [f"{path}: {error.strerror}; correct rationale.examples"]
    number = len(examples)
    lines = [] if number == NUMBER else [f"{path}: it has {number} examples; the prompts show {NUMBER}"]
    return [*lines, *found]


def _problems(example: Example, resources: Path) -> Iterator[str]:
    wordings = read_wordings(resources / "phenotype_wordings.csv")
    least, most = NOTE_LENGTH
    if not least <= len(example.note.split()) <= most:
        yield f"note: it has {len(example.note.split())} words; write {least} to {most}"
    variables = {variable.name for variable in read_variables(resources / "variables.csv")}
    for caption in re.split(r"(?<=\.) ", example.captions):
        match = CAPTION.fullmatch(caption)
        if match is None or match["variable"] not in variables:
            yield (
                f"captions: {caption!r} is not in the wording of stage benchmark; write a variable of "
                "resources/variables.csv and its count, such as 'Heart Rate is higher than normal 6 times.'"
            )
    phenotypes = read_phenotypes(resources / "phenotypes.csv")
    for name in example.diagnoses:
        if name not in phenotypes:
            yield f"diagnoses: {name!r} is not one of the {len(phenotypes)} names in resources/phenotypes.csv"
    if len(set(example.diagnoses)) < len(example.diagnoses):
        yield "diagnoses: one of them is named twice; remove it"
    request = Request("note_rationale", "", "", {"diagnoses": example.diagnoses})
    for problem in check_note(wordings, request, example.note_rationale):
        yield f"note_rationale: {problem}; reword it"
    for problem in check_lab(wordings, request, example.lab_rationale):
        yield f"lab_rationale: {problem}; reword it"
