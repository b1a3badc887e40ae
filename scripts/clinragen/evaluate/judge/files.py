"""The rationales to be rated, from the tables of the other stages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.config.judge import Question
from clinragen.evaluate.judge.items import Item, Texts, build_items, choose_cases
from clinragen.evaluate.written import COLUMNS, Written, written_by_model, written_by_teacher
from clinragen.rationale.generate import WHOLE, gather
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.evaluate import CASES, PREDICTIONS
from clinragen.schemas.ratings import TEACHER


@dataclass(frozen=True)
class Files:
    """What questions to a judge are made of.

    `rationales` are the teacher's `notes.parquet` and, where it has any, `labs.parquet`, or nothing; `predictions`
    those of the other systems by row.
    """

    samples: Path
    courses: Path
    captions: Path
    labels: Path
    cases: Path
    rationales: Sequence[Path]
    predictions: Mapping[str, Path]

    @property
    def texts(self) -> list[Path]:
        """The files from which the text of questions comes."""
        return [self.samples, self.courses, self.captions, self.labels, *self.rationales, *self.predictions.values()]


def read_items(
    files: Files, question: Question, max_note_characters: int | None, unwritten: Mapping[str, Texts] | None = None
) -> list[Item]:
    """What a judge rates (`build_items`), with notes of at most so many characters.

    `unwritten` are texts in place of those of systems that have not written theirs.
    """
    samples = SAMPLES.read(files.samples)
    patients = dict(zip(samples["stay_id"].to_pylist(), samples["subject_id"].to_pylist(), strict=True))
    chosen = chosen_cases(files.cases, question)
    samples = samples.filter(pc.is_in(samples["stay_id"], pa.array(chosen, pa.int64())))
    tables = (samples, COURSES.read(files.courses), LABELS.read(files.labels))
    cases = gather(*tables, WHOLE, max_note_characters, captions=CAPTIONS.read(files.captions))
    return build_items(cases, patients, dict(_systems(files)) | dict(unwritten or {}), question)


def chosen_cases(path: Path, question: Question) -> list[int]:
    """The cases that are rated, of those on which rationales are compared."""
    return choose_cases(CASES.read(path)["stay_id"].to_pylist(), question.cases, question.seed)


def _systems(files: Files) -> Iterator[tuple[str, Texts]]:
    """The texts of every system by its name, the teacher first."""
    if files.rationales:
        yield TEACHER, _blinded(written_by_teacher(*files.rationales))
    for row, path in files.predictions.items():
        yield row, _blinded(written_by_model(PREDICTIONS.read(path, COLUMNS)))


def _blinded(written: Mapping[int, Written]) -> Texts:
    return {stay: each.blinded for stay, each in written.items()}
