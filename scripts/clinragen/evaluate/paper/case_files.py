"""Read the cases of Figure 7, with the texts and series of those that are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.evaluate.paper.case_choice import Case, make_case
from clinragen.evaluate.paper.case_page import Texts, curves_of, view
from clinragen.evaluate.planted import statements
from clinragen.evaluate.texts.lab_claims import LabWordings
from clinragen.evaluate.written import COLUMNS, Written, of_cases, written_by_model, written_by_teacher
from clinragen.rationale.claims import read_wordings
from clinragen.schemas.benchmark import CAPTIONS, COURSES, FENCES, SAMPLES, SCALES, SERIES
from clinragen.schemas.knowledge import TERMS
from clinragen.schemas.predictions import CASES, PREDICTIONS
from clinragen.schemas.schema import Table


@dataclass(frozen=True)
class Shown:
    """Where notes, captions and series of the cases are, and how to show them."""

    courses: Path
    captions: Path
    series: Path
    scales: Path
    fences: Path
    terms: list[Path]
    scaled: bool
    """Whether the values of the series are scaled."""
    units: Mapping[str, str]
    """Unit of each variable."""
    lab_wordings: LabWordings


@dataclass(frozen=True)
class CaseFiles:
    """The cases, and what teacher and student wrote by stay: the student's whole test split."""

    cases: list[Case]
    teacher: Mapping[int, Written]
    student: Mapping[int, Written]
    patients: Mapping[int, int]
    """Patient of each stay."""

    def views(self, selected: dict[str, Case | None], shown: Shown) -> dict[str, dict[str, Any] | None]:
        """Return the facts for the page about each selected case, by rule."""
        stays = [case.stay for case in selected.values() if case]
        of_stays = ((COURSES, shown.courses), (CAPTIONS, shown.captions), (SERIES, shown.series))
        notes, sentences, measured = (_rows(table, path, stays) for table, path in of_stays)
        scales, fences = SCALES.read(shown.scales).to_pylist(), FENCES.read(shown.fences).to_pylist()
        words = [row for path in shown.terms for row in TERMS.read(path).to_pylist()]
        views: dict[str, dict[str, Any] | None] = dict.fromkeys(selected)
        for rule, case in selected.items():
            if case is not None:
                stay = case.stay
                written = ((own[stay].note, own[stay].lab) for own in (self.teacher, self.student))
                texts = Texts(notes[stay]["text"], sentences[stay]["text"], *written)
                drawn = curves_of(measured[stay], scales, fences, shown.scaled)
                views[rule] = view(case, texts, drawn, words, shown.units, shown.lab_wordings)
        return views

    def with_abnormal_labs(self, shown: Shown) -> list[Case]:
        """Return the cases whose captions call some value abnormal."""
        captions = _rows(CAPTIONS, shown.captions, [case.stay for case in self.cases])
        return [case for case in self.cases if statements(captions[case.stay]["text"], list(shown.units))]


def read_cases(
    predictions: Path, cases: Path, samples: Path, rationales: tuple[Path, Path], wordings: Path
) -> CaseFiles:
    """Read the cases on which rationales are compared; raise UserError if teacher or student lack one."""
    stays = CASES.read(cases)["stay_id"].to_pylist()
    patients = {r["stay_id"]: r["subject_id"] for r in SAMPLES.read(samples, ("stay_id", "subject_id")).to_pylist()}
    written = written_by_model(PREDICTIONS.read(predictions, COLUMNS))
    student = of_cases(written, stays, predictions)
    teacher = of_cases(written_by_teacher(*rationales), stays, rationales[0])
    of_phenotypes = read_wordings(wordings)
    all_cases = []
    for stay, own, given in zip(stays, student, teacher, strict=True):
        texts = [text for text in (given.note, given.lab) if text]
        all_cases.append(make_case(stay, patients[stay], own.true or [], own.predicted or [], texts, of_phenotypes))
    return CaseFiles(all_cases, dict(zip(stays, teacher, strict=True)), written, patients)


def _rows(table: Table, path: Path, stays: list[int]) -> dict[int, dict[str, Any]]:
    """Return the rows of some stays, by stay."""
    rows = table.read(path)
    kept = rows.filter(pc.is_in(rows["stay_id"], pa.array(stays, pa.int64())))
    return {row["stay_id"]: row for row in kept.to_pylist()}
