"""Which rows answer the questions of the paper's discussion; no section of the configuration."""

from collections.abc import Mapping

from clinragen.config.base import Section
from clinragen.config.models import Model
from clinragen.config.rows import Runs

VOCABULARIES = ("knowledge", "pubmed", "wikipedia", "standard")


class MissingRow(Section):
    """A row that would answer a question, and is not configured."""

    question: str
    """The question."""
    group: str
    """What the row would be: its vocabulary; or all."""
    model: str
    """Name of the row, or of the one that it would be compared with."""
    remedy: str
    """What to configure and run."""


class DiscussionRows(Section):
    """The rows of a configuration that answer the questions."""

    runs: Runs
    """All runs of these rows, in the order of the files of their predictions."""
    student: str
    """The student."""
    teacher: str | None
    """The student's teacher as a model that is asked for diagnoses, without examples and without the list."""
    vocabularies: dict[str, str]
    """Rows like the student, itself included, by the vocabulary of their attention."""
    lists: dict[str, str]
    """Rows that are asked for diagnoses without the list of phenotypes; of each the same with the list."""
    missing: list[MissingRow]
    """Rows that are not there."""


def student_among(models: Mapping[str, Model], reference: str) -> str | None:
    """Key of the model that all questions are about: the row that others are compared with, if it has a teacher."""
    return next((key for key, m in models.items() if m.row == reference and m.teacher and not m.variant), None)


def keys_by_vocabulary(models: Mapping[str, Model], student: str) -> dict[str, str]:
    """Keys of the models that differ from the student in the vocabulary of the attention alone, and of itself."""
    own, found = models[student], {}
    for vocabulary in VOCABULARIES:
        same = own.model_copy(update={"vocabulary": vocabulary}).recipe
        keys = [student] if own.vocabulary == vocabulary else []
        keys += [key for key, model in models.items() if not model.variant and model.recipe == same]
        if keys:
            found[vocabulary] = keys[0]
    return found
