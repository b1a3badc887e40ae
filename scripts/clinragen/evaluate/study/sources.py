"""The texts of the study, gathered from the tables of other stages."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from clinragen.config.study import StudyDesign
from clinragen.errors import UserError
from clinragen.evaluate.study.forms import Case, Study, plan_study, predicted_texts, teacher_texts
from clinragen.evaluate.study.wording import read_wording
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.evaluate import CASES, PREDICTIONS
from clinragen.schemas.ratings import TEACHER
from clinragen.schemas.rationale import RATIONALES


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
    texts = teacher_texts(*(RATIONALES.read(path, ["stay_id", "text"]) for path in teacher))
    files = {TEACHER: teacher[0], **predictions}
    for system, path in predictions.items():
        texts |= predicted_texts(system, PREDICTIONS.read(path))
    for system, path in files.items():
        if missing := [stay for stay in stays if (system, stay) not in texts]:
            raise UserError(
                f"{path}: no rationale of {system} for {len(missing)} of {len(stays)} cases; delete the file and "
                "run again"
            )
    return plan_study(stays, patients, shown, list(files), texts, read_wording(wording), design)


def _by_stay(table: pa.Table, column: str) -> dict:
    return dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))
