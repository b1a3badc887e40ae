"""Baselines beyond the paper: they write no text and classify each phenotype."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from clinragen.config.base import Section
from clinragen.config.student import SeriesEncoder
from clinragen.config.train import Phase

LEARNED = ("patchtst", "lstm", "encoder")
OF_METHODS = {"lstm": ("lstm",), "encoder": ("encoder",), "pooling": ("encoder",), "schedule": LEARNED}
"""Keys that only some methods have, with these methods."""


class Lstm(Section):
    """Shape of an LSTM over the series."""

    width: int = Field(ge=1)
    """Width of the state."""
    layers: int = Field(ge=1)
    """Number of stacked layers."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout between layers and before the output."""


class Classifier(Section):
    """One baseline that classifies each phenotype."""

    row: str
    """Name of the row in the table of baselines beyond the paper."""
    method: Literal["patchtst", "lstm", "encoder", "majority", "names"]
    """PatchTST or LSTM on the series, a text encoder on the note, the most frequent labels, or names in the note."""
    lstm: Lstm | None = None
    """Shape of the LSTM; null for other methods."""
    encoder: str | None = None
    """A key of `encoders`, which reads the beginning of the note; null for other methods."""
    pooling: Literal["first", "mean", None] = None
    """Vector of a note: that of its first token, or the mean over all tokens; null without an encoder."""
    schedule: Phase | None = None
    """Schedule of the training, which otherwise follows `train.optimizer`; null for methods that are not trained."""

    @property
    def learns(self) -> bool:
        """Whether it is trained, once for each seed."""
        return self.method in LEARNED

    @property
    def reads_series(self) -> bool:
        """Whether it reads the series of a stay."""
        return self.method in ("patchtst", "lstm")


class Reader(Section):
    """Input and architecture of a trained classifier; not a section of the configuration."""

    method: Literal["patchtst", "lstm", "encoder"]
    """As in Classifier."""
    series_encoder: SeriesEncoder | None = None
    """Of method patchtst."""
    steps: int | None = None
    """Steps of a padded series; null if none is read."""
    lstm: Lstm | None = None
    """Of method lstm."""
    pooling: Literal["first", "mean", None] = None
    """Of method encoder."""


def classifier_problems(rows: Mapping[str, Classifier]) -> Iterator[str]:
    """Yield contradictions between the settings of a row, and rows with the same name in the table."""
    owners: dict[str, list[str]] = {}
    for name, classifier in rows.items():
        owners.setdefault(classifier.row, []).append(name)
        for key, methods in OF_METHODS.items():
            given = getattr(classifier, key) is not None
            if given != (classifier.method in methods):
                problem = "must be null" if given else "missing"
                yield f"classifiers.{name}.{key}: {problem} for method {classifier.method}"
    for row, names in owners.items():
        if len(names) > 1:
            yield f"classifiers: {' and '.join(names)} are both row {row!r}; rename one of them"
