"""Which rows answer the questions of the paper's discussion; no section of the configuration."""

from clinragen.config.base import Section
from clinragen.config.rows import Runs


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
