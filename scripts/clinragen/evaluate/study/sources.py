"""The texts of the study, gathered from the tables of other stages."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from clinragen.config.study import StudyDesign
from clinragen.evaluate.study.forms import Case, Study, plan_study
from clinragen.evaluate.study.wording import read_wording
from clinragen.evaluate.written import COLUMNS, of_cases, written_by_model, written_by_teacher
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.evaluate import CASES, PREDICTIONS
from clinragen.schemas.ratings import TEACHER


def read_study(
    cases: Path,
    samples: Path,
    courses: Path,
    captions: Path,
    labels: Path,
    teacher: list[Path],
    predictions: Mapping[str, Path],
    wording: Path,
    design: StudyDesign,
) -> Study:
    """The study of these files; `predictions` by system, `teacher` on notes and on labs.

    UserError if a system has no row for a case: nothing is left out silently.
    """
    stays = CASES.read(cases)["stay_id"].to_pylist()
    patients = _by_stay(SAMPLES.read(samples, ["stay_id", "subject_id"]), "subject_id")
    notes = _by_stay(COURSES.read(courses, ["stay_id", "text"]), "text")
    labs = _by_stay(CAPTIONS.read(captions), "text")
    phenotypes = _by_stay(LABELS.read(labels), "phenotypes")
    shown = {stay: Case(notes[stay], labs[stay], phenotypes[stay]) for stay in stays}
    written = {TEACHER: of_cases(written_by_teacher(*teacher), stays, teacher[0])}
    for system, path in predictions.items():
        written[system] = of_cases(written_by_model(PREDICTIONS.read(path, COLUMNS)), stays, path)
    texts = {
        (system, stay): own.blinded for system, texts in written.items() for stay, own in zip(stays, texts, strict=True)
    }
    return plan_study(stays, patients, shown, list(written), texts, read_wording(wording), design)


def _by_stay(table: pa.Table, column: str) -> dict:
    return dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))
