"""Files that the rated rationales of a dataset come from, for judges and for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinragen.evaluate.written import COLUMNS, Text, written_by_model, written_by_teacher
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.predictions import PREDICTIONS
from clinragen.schemas.ratings import TEACHER


@dataclass(frozen=True)
class RatedFiles:
    """Paths of the tables of a dataset.

    `rationales` are the teacher's `notes.parquet` and, if it has any, `labs.parquet`, or none; `predictions` are those
    of the other systems, by row of the paper's tables.
    """

    samples: Path
    courses: Path
    captions: Path
    labels: Path
    cases: Path
    rationales: Sequence[Path]
    predictions: Mapping[str, Path]

    def patients(self) -> dict[int, int]:
        """Return the patient (subject) of every stay."""
        samples = SAMPLES.read(self.samples, ["stay_id", "subject_id"])
        return dict(zip(samples["stay_id"].to_pylist(), samples["subject_id"].to_pylist(), strict=True))

    def texts(self) -> dict[str, dict[int, Text]]:
        """Return the blinded rationales by system and stay, the teacher's first."""
        written = {TEACHER: written_by_teacher(*self.rationales)} if self.rationales else {}
        for row, path in self.predictions.items():
            written[row] = written_by_model(PREDICTIONS.read(path, COLUMNS))
        return {system: {stay: own.blinded for stay, own in texts.items()} for system, texts in written.items()}
