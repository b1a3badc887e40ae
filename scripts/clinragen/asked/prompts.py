"""The questions that a teacher is not asked: which diseases does the patient have?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clinragen.llm.prompt import Prompt, read_prompt
from clinragen.llm.request import Request
from clinragen.rationale.generate import Sample
from clinragen.rationale.prompts import Example, named, numbered

SLOTS = {"diseases", "note", "captions"}
ANY = "any"  # in place of a list of diseases


def read_diagnosis_prompt(path: Path) -> Prompt:
    """The prompt for diagnoses alone."""
    return read_prompt(path, SLOTS)


def read_diagnosis_rationale_prompt(path: Path) -> Prompt:
    """The prompt for diagnoses and a note rationale R^m, with worked examples."""
    return read_prompt(path, SLOTS | {"examples"})


def diagnosis_request(prompt: Prompt, sample: Sample, phenotypes: Sequence[str], label_list: bool) -> Request:
    """The question for D given M and T*; with `label_list` it names the phenotypes to choose from."""
    text = prompt.render(**_shown(sample, phenotypes, label_list))
    return Request("diagnosis", text, prompt.version, _slots(sample, phenotypes))


def diagnosis_rationale_request(
    prompt: Prompt, examples: Sequence[Example], sample: Sample, phenotypes: Sequence[str], label_list: bool
) -> Request:
    """The question for D and R^m given M, T* and O; with `label_list` it names the phenotypes to choose from."""
    blocks = numbered(
        [
            (
                *("Medical note", e.note, "Lab test descriptions", e.captions),
                *("Diagnoses", named(e.diagnoses), "Note rationale", e.note_rationale),
            )
            for e in examples
        ]
    )
    text = prompt.render(examples=blocks, **_shown(sample, phenotypes, label_list))
    return Request("diagnosis_rationale", text, prompt.version, _slots(sample, phenotypes))


def _shown(sample: Sample, phenotypes: Sequence[str], label_list: bool) -> dict[str, str]:
    diseases = "\n".join(phenotypes) if label_list else ANY
    return {"diseases": diseases, "note": sample.note, "captions": sample.captions}


def _slots(sample: Sample, phenotypes: Sequence[str]) -> dict[str, Any]:
    """What the template stand-in reads: never the true diagnoses."""
    return {"note": sample.note, "captions": sample.captions, "phenotypes": list(phenotypes)}
