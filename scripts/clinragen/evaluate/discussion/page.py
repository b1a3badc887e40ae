"""The page of the questions of the discussion."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.pages.render import render

QUESTIONS = {
    "bias": "Does the student miss fewer diseases than its teacher?",
    "subgroups": "How do scores differ between groups of patients?",
    "knowledge": "Which source of knowledge helps?",
    "parity": "Is the student as good as its teacher?",
    "contamination": "Is the weakness of zero-shot LLMs due to the question?",
    "leakage": "How much does the note already say?",
}


def discussion_page(table: pa.Table, bootstrap: Bootstrap, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the answers (DISCUSSION) as HTML: a section per question, in it a table per dataset."""
    questions: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in table.to_pylist():
        questions.setdefault(row["question"], {}).setdefault(row["dataset"], []).append(row)
    return render(
        "discussion",
        templates,
        stand_ins=stand_ins,
        replicates=bootstrap.replicates,
        titles=QUESTIONS,
        questions={name: questions[name] for name in QUESTIONS if name in questions},
    )
