"""Questions about the diagnoses of a patient, which a teacher is not asked."""

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
    """Return the prompt for diagnoses alone."""
    return read_prompt(path, SLOTS)


def read_diagnosis_rationale_prompt(path: Path) -> Prompt:
    """Return the prompt for diagnoses and a note rationale R^m, with worked examples."""
    return read_prompt(path, SLOTS | {"examples"})


def diagnosis_request(prompt: Prompt, sample: Sample, phenotypes: Sequence[str], label_list: bool) -> Request:
    """Return the question for D given M and T*; with `label_list` it lists the phenotypes to choose from."""
    text = prompt.render(**_shown(sample, phenotypes, label_list))
    return Request("diagnosis", text, prompt.version, _slots(sample, phenotypes))


def diagnosis_rationale_request(
    prompt: Prompt, examples: Sequence[Example], sample: Sample, phenotypes: Sequence[str], label_list: bool
) -> Request:
    """Return the question for D and R^m given M, T* and O; with `label_list` it lists the phenotypes to choose from."""
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
    """Return the inputs of the template stand-in, which do not include the true diagnoses."""
    return {"note": sample.note, "captions": sample.captions, "phenotypes": list(phenotypes)}
