"""Tables that make up the samples of a training or a prediction, also as groups of command-line arguments."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """Tables that make up the samples: None for those that are not read, and for targets where nothing is learned.

    `series` are the files of all splits that are read, none where no series are read. `samples` names the stays of a
    split where no file of tokens does.
    """

    labels: Path
    notes: Path | None
    targets: Path | None
    series: list[Path]
    captions: Path | None = None
    features: Path | None = None
    samples: Path | None = None


@dataclass(frozen=True)
class StudentInputs:
    """Arguments of steps that give a student whatever its row reads."""

    labels: Path
    notes: Path
    captions: Path | None
    features: Path | None
    series: list[Path]

    def files(self, targets: Path | None = None) -> Files:
        """Return the tables of the samples; without targets nothing is learned from them."""
        return Files(self.labels, self.notes, targets, self.series, self.captions, self.features)


@dataclass(frozen=True)
class ClassifierInputs:
    """Arguments of steps that give a classifier the series, or the notes as tokens of its text encoder."""

    samples: Path
    labels: Path
    notes: Path | None
    series: list[Path]

    def files(self) -> Files:
        """Return the tables of the samples."""
        return Files(self.labels, self.notes, None, self.series, samples=self.samples)
