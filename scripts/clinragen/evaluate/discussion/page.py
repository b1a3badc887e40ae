"""The page with the questions of the discussion."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.discussion.scores import ALL
from clinragen.pages.render import render

QUESTIONS = {
    "bias": "Does the student miss fewer diseases than its teacher?",
    "subgroups": "How do scores differ between groups of patients?",
    "knowledge": "Which source of knowledge helps?",
    "parity": "Is the student as good as its teacher?",
    "contamination": "Is the weakness of zero-shot LLMs due to the question?",
    "leakage": "How much does the note already say?",
}


BY_MODEL = ("bias",)
"""Questions with a column per model, because they have many long measures; the others have a column per measure."""


@dataclass
class Answers:
    """The answers to a question for one dataset: rows of DISCUSSION by line and column, and the missing ones."""

    by_model: bool
    """Whether columns are models and lines are measures, or the reverse."""
    columns: list[str] = field(default_factory=list)
    lines: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By title and subtitle of the line, then by column."""
    missing: dict[str, str] = field(default_factory=dict)
    """How to make each missing row."""

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of DISCUSSION."""
        group = "" if row["group"] == ALL else row["group"]
        if row["missing"]:
            self.missing[", ".join(filter(None, (row["model"], group, row["measure"])))] = row["missing"]
            return
        title, column = (row["measure"], row["model"]) if self.by_model else (row["model"], row["measure"])
        if column not in self.columns:
            self.columns.append(column)
        self.lines.setdefault((title, group), {})[column] = row


def discussion_page(table: pa.Table, bootstrap: Bootstrap, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the answers (DISCUSSION) as HTML: a section per question, in it a table per dataset."""
    questions: dict[str, dict[str, Answers]] = {}
    for row in table.to_pylist():
        of_question = questions.setdefault(row["question"], {})
        of_question.setdefault(row["dataset"], Answers(row["question"] in BY_MODEL)).add(row)
    return render(
        "discussion",
        templates,
        stand_ins=stand_ins,
        replicates=bootstrap.replicates,
        titles=QUESTIONS,
        questions={name: questions[name] for name in QUESTIONS if name in questions},
    )
