"""The two prompts of the teacher (appendix A.2) and the worked examples in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clinragen.errors import UserError
from clinragen.llm.prompt import Prompt, read_prompt
from clinragen.llm.request import Request
from clinragen.registry.phenotypes import NO_DISEASE

NOTE_SLOTS = {"examples", "note", "diagnoses"}
LAB_SLOTS = NOTE_SLOTS | {"captions", "note_rationale"}


@dataclass(frozen=True)
class Example:
    """One worked example (O in equations 2 and 3)."""

    note: str
    captions: str
    diagnoses: list[str]
    note_rationale: str
    lab_rationale: str


def read_examples(path: Path) -> list[Example]:
    """Return the worked examples; UserError names an example with missing or unknown keys."""
    keys = set(Example.__dataclass_fields__)
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not a YAML file in UTF-8; put texts after `>-` on indented lines") from None
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: expected a list of examples; see resources/prompts/examples.yaml")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or set(row) != keys or not _has_types(row):
            raise UserError(
                f"{path}: example {number} must have exactly the keys {sorted(keys)}, with diagnoses as a list of "
                "names and the others as texts"
            )
    return [_example(row) for row in rows]


def _has_types(row: dict[str, Any]) -> bool:
    names = row["diagnoses"]
    texts = [text for key, text in row.items() if key != "diagnoses"]
    return isinstance(names, list) and all(isinstance(text, str) for text in [*names, *texts])


def _example(row: dict[str, Any]) -> Example:
    texts = {key: " ".join(text.split()) for key, text in row.items() if key != "diagnoses"}
    return Example(diagnoses=row["diagnoses"], **texts)


def read_note_prompt(path: Path) -> Prompt:
    """Return the prompt for note rationales R^m."""
    return read_prompt(path, NOTE_SLOTS)


def read_lab_prompt(path: Path) -> Prompt:
    """Return the prompt for lab rationales R^t."""
    return read_prompt(path, LAB_SLOTS)


def note_request(
    prompt: Prompt, examples: list[Example], note: str, diagnoses: list[str], corpus: Sequence[str] = ()
) -> Request:
    """Return the question for R^m given M, D and O (equation 2).

    `corpus` contains the notes of all samples, in which the template stand-in looks for rare words.
    """
    shown = numbered(
        [
            (
                *("Medical note", e.note, "Diagnosed diseases", named(e.diagnoses)),
                *("Medical note-based rationale", e.note_rationale),
            )
            for e in examples
        ]
    )
    text = prompt.render(examples=shown, note=note, diagnoses=named(diagnoses))
    slots = {"note": note, "diagnoses": diagnoses, "corpus": corpus}
    return Request("note_rationale", text, prompt.version, slots)


def lab_request(
    prompt: Prompt, examples: list[Example], note: str, captions: str, diagnoses: list[str], note_rationale: str
) -> Request:
    """Return the question for R^t given M, T*, D, O and R^m (equation 3)."""
    shown = numbered(
        [
            (
                *("Medical note", e.note, "Descriptions of lab test abnormalities", e.captions),
                *("Diagnosed diseases", named(e.diagnoses), "Medical note-based rationale", e.note_rationale),
                *("Lab test-based rationale", e.lab_rationale),
            )
            for e in examples
        ]
    )
    text = prompt.render(
        examples=shown, note=note, captions=captions, diagnoses=named(diagnoses), note_rationale=note_rationale
    )
    return Request("lab_rationale", text, prompt.version, {"captions": captions, "diagnoses": diagnoses})


def named(diagnoses: list[str]) -> str:
    """Return the diagnoses as a prompt lists them."""
    # Semicolons separate, because some names contain commas.
    return "; ".join(d.replace(";", ",") for d in diagnoses) or NO_DISEASE


def numbered(examples: list[tuple[str, ...]]) -> str:
    """Return worked examples as a prompt shows them; each consists of alternating labels and texts."""
    blocks = []
    for number, parts in enumerate(examples, 1):
        lines = [f"{label}: {text}" for label, text in zip(parts[::2], parts[1::2], strict=True)]
        blocks.append("\n".join([f"Example {number}", *lines]))
    return "\n\n".join(blocks)
