"""Read the texts of the study from the tables of other stages."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.study import StudyDesign
from clinragen.evaluate.rated_files import RatedFiles
from clinragen.evaluate.study.forms import Case, Study, plan_study
from clinragen.evaluate.study.wording import read_wording
from clinragen.evaluate.written import of_cases
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS
from clinragen.schemas.predictions import CASES
from clinragen.schemas.ratings import TEACHER


def read_study(files: RatedFiles, wording: Path, design: StudyDesign) -> Study:
    """Plan the study of these files; UserError if a system has no row for a case."""
    stays = CASES.read(files.cases)["stay_id"].to_pylist()
    notes = _by_stay(COURSES.read(files.courses, ["stay_id", "text"]), "text")
    labs = _by_stay(CAPTIONS.read(files.captions), "text")
    phenotypes = _by_stay(LABELS.read(files.labels), "phenotypes")
    shown = {stay: Case(notes[stay], labs[stay], phenotypes[stay]) for stay in stays}
    paths = {TEACHER: files.rationales[0], **files.predictions}
    written = files.texts()
    texts = {
        (system, stay): text
        for system, by_stay in written.items()
        for stay, text in zip(stays, of_cases(by_stay, stays, paths[system]), strict=True)
    }
    return plan_study(stays, files.patients(), shown, list(written), texts, read_wording(wording), design)


def _by_stay(table: pa.Table, column: str) -> dict[int, Any]:
    return dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))
