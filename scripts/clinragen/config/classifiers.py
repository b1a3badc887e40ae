"""Baselines beyond the paper: they write nothing, each phenotype is a yes or no."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from clinragen.config.base import Section
from clinragen.config.student import SeriesEncoder
from clinragen.config.train import Phase

LEARNED = ("patchtst", "lstm", "encoder")
OF_METHODS = {"lstm": ("lstm",), "encoder": ("encoder",), "pooling": ("encoder",), "schedule": LEARNED}
"""Keys that only some methods have."""


class Lstm(Section):
    """Shape of an LSTM over the series."""

    width: int = Field(ge=1)
    """Width of the state."""
    layers: int = Field(ge=1)
    """Layers, one over the other."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout between layers, and before the 25 phenotypes."""


class Classifier(Section):
    """One baseline that says yes or no to each phenotype."""

    row: str
    """Name of the row in the table of baselines beyond the paper."""
    method: Literal["patchtst", "lstm", "encoder", "majority", "names"]
    """What decides: PatchTST or LSTM on the series, an encoder of the note, the most frequent labels, names in it."""
    lstm: Lstm | None = None
    """Shape of the LSTM; null for other methods."""
    encoder: str | None = None
    """A key of `encoders`, which reads the beginning of the note; null for other methods."""
    pooling: Literal["first", "mean", None] = None
    """What stands for a note: the vector of its first token, or the mean of all; null without encoder."""
    schedule: Phase | None = None
    """Schedule of the training, else with `train.optimizer`; null where nothing is learned."""

    @property
    def learns(self) -> bool:
        """Whether it is trained, once for each seed."""
        return self.method in LEARNED

    @property
    def reads_series(self) -> bool:
        """Whether it reads the series of a stay."""
        return self.method in ("patchtst", "lstm")


class Reader(Section):
    """What a trained classifier reads and through what; no section of the configuration."""

    method: Literal["patchtst", "lstm", "encoder"]
    """As in Classifier."""
    series_encoder: SeriesEncoder | None = None
    """Of method patchtst."""
    steps: int | None = None
    """Of a padded series; null where none is read."""
    lstm: Lstm | None = None
    """Of method lstm."""
    pooling: Literal["first", "mean", None] = None
    """Of method encoder."""


def classifier_problems(rows: Mapping[str, Classifier]) -> Iterator[str]:
    """Rows whose settings contradict each other, and two rows of one name."""
    owners: dict[str, list[str]] = {}
    for name, row in rows.items():
        owners.setdefault(row.row, []).append(name)
        for key, methods in OF_METHODS.items():
            given = getattr(row, key) is not None
            if given != (row.method in methods):
                yield f"classifiers.{name}.{key}: {'must be null' if given else 'missing'} for method {row.method}"
    for row, names in owners.items():
        if len(names) > 1:
            yield f"classifiers: {' and '.join(names)} are both row {row!r}; rename one of them"
