"""Rows that answer the questions of the paper's discussion; not a section of the configuration."""

from collections.abc import Mapping

from clinragen.config.base import Section
from clinragen.config.models import Model
from clinragen.config.rows import Runs

VOCABULARIES = ("knowledge", "pubmed", "wikipedia", "standard")


class MissingRow(Section):
    """A row that would answer a question but is not configured."""

    question: str
    """The question."""
    group: str
    """The vocabulary of the row; or all."""
    model: str
    """Name of the row, or of the one that it would be compared with."""
    remedy: str
    """Settings and target that add it."""


class DiscussionRows(Section):
    """The rows of a configuration that answer the questions."""

    runs: Runs
    """All runs of these rows, in the order of the files of their predictions."""
    student: str
    """The student."""
    teacher: str | None
    """The student's teacher, asked for diagnoses without examples and without the list of phenotypes."""
    vocabularies: dict[str, str]
    """Rows like the student, itself included, by the vocabulary of their attention."""
    lists: dict[str, str]
    """Rows that are asked for diagnoses without the list of phenotypes, and their counterparts with the list."""
    missing: list[MissingRow]
    """Rows that are not configured."""


def student_among(models: Mapping[str, Model], reference: str) -> str | None:
    """Return the key of the student that the questions are about: the reference row, if it has a teacher."""
    return next((key for key, m in models.items() if m.row == reference and m.teacher and not m.variant), None)


def keys_by_vocabulary(models: Mapping[str, Model], student: str) -> dict[str, str]:
    """Return, by vocabulary, the keys of the student and of the models that differ from it only in the vocabulary."""
    own = models[student]
    by_vocabulary = {}
    for vocabulary in VOCABULARIES:
        recipe = own.model_copy(update={"vocabulary": vocabulary}).recipe
        keys = [student] if own.vocabulary == vocabulary else []
        keys += [key for key, model in models.items() if not model.variant and model.recipe == recipe]
        if keys:
            by_vocabulary[vocabulary] = keys[0]
    return by_vocabulary
