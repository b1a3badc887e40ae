"""Whether the prompts have the placeholders that their questions fill, checked before any job runs."""

from collections.abc import Callable
from pathlib import Path

from clinragen.asked.prompts import read_diagnosis_prompt, read_diagnosis_rationale_prompt
from clinragen.errors import UserError
from clinragen.evaluate.judge.question import read_judge_prompt
from clinragen.knowledge.terms import read_terms_prompt
from clinragen.llm.prompt import Prompt
from clinragen.rationale.prompts import read_lab_prompt, read_note_prompt

READERS: dict[str, Callable[[Path], Prompt]] = {
    "terms.txt": read_terms_prompt,
    "note_rationale.txt": read_note_prompt,
    "lab_rationale.txt": read_lab_prompt,
    "diagnosis.txt": read_diagnosis_prompt,
    "diagnosis_rationale.txt": read_diagnosis_rationale_prompt,
    "judge.txt": read_judge_prompt,
}


def prompt_problems(directory: Path) -> list[str]:
    """Return a line for every prompt in the directory that is missing or cannot be used."""
    lines = []
    for name, read in READERS.items():
        try:
            read(directory / name)
        except UserError as error:
            lines.append(str(error))
        except OSError as error:
            lines.append(f"{directory / name}: {error.strerror}; restore it with git checkout")
    return lines
