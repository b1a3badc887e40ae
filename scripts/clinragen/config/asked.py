"""Models that are asked, not trained: each is a row of the paper's tables."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class Question(Section):
    """What a model is asked about each case; it reads the note and the captions of the labs."""

    task: Literal["diagnose", "explain"]
    """diagnose: name the diseases, without examples; explain: write R^m and R^t with the teacher's worked examples."""
    given_diagnoses: bool
    """Whether the question contains the diagnoses, as the teacher's does; otherwise the model names them first."""
    label_list: bool
    """Whether the question lists the 25 phenotypes to choose from."""


class Asked(Section):
    """One model that is asked, once, on the test split."""

    row: str
    """Name of the row in the paper's tables."""
    table: list[Literal[1, 4]]
    """Tables that contain the row; its rationales are in table 4."""
    llm: str
    """A key of `llms`."""
    question: Question
    """The question."""
    cases: Literal["all", "sampled"]
    """all: the whole test split; sampled: the cases that `evaluate.cases` selects."""

    @property
    def is_compared(self) -> bool:
        """Whether it writes rationales, which are then compared with the teacher's."""
        return self.question.task == "explain"

    @property
    def is_scored(self) -> bool:
        """Whether the model names the diagnoses itself; scores of given diagnoses would be circular."""
        return not self.question.given_diagnoses


class Cases(Section):
    """The sample of the test split on which rationales are compared, the same for all models."""

    number: int = Field(ge=1)
    """Number of samples of each dataset; a smaller number selects some of the same samples."""
    seed: int
    """Another seed selects another sample."""


def asked_problems(rows: Mapping[str, Asked]) -> Iterator[str]:
    """Yield contradictions between the settings of a row, and between rows of table 4."""
    for name, row in rows.items():
        question, key = row.question, f"asked.{name}"
        if question.task == "diagnose" and question.given_diagnoses:
            yield f"{key}.question.given_diagnoses: task diagnose asks for the diagnoses; set it to false"
        elif question.label_list and question.given_diagnoses:
            yield f"{key}.question.label_list: with given_diagnoses there is nothing to choose; set it to false"
        if question.task == "diagnose" and 4 in row.table:
            yield f"{key}.table: table 4 compares rationales, which task diagnose does not write; leave 4 out"
        if 1 in row.table and question.given_diagnoses:
            yield f"{key}.table: table 1 scores diagnoses, which given_diagnoses gives away; leave 1 out"
        if 1 in row.table and row.cases == "sampled":
            yield f"{key}.cases: the other models of table 1 are scored on the whole test split; set it to all"
    by_cases = {row.cases: name for name, row in rows.items() if 4 in row.table}
    if len(by_cases) > 1:
        yield f"asked: {by_cases['all']} and {by_cases['sampled']} are compared in table 4; set both to the same cases"
