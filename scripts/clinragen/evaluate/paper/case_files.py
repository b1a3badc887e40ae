"""What Figure 7 reads: the cases, and the texts and series of those that are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.errors import UserError
from clinragen.evaluate.paper.case_choice import Case, make_case
from clinragen.evaluate.paper.case_page import Texts, curves_of, view
from clinragen.rationale.claims import read_wordings
from clinragen.schemas.benchmark import CAPTIONS, COURSES, FENCES, SAMPLES, SCALES, SERIES
from clinragen.schemas.evaluate import CASES, PREDICTIONS
from clinragen.schemas.knowledge import TERMS
from clinragen.schemas.rationale import RATIONALES
from clinragen.schemas.schema import Table


@dataclass(frozen=True)
class CaseFiles:
    """The cases, and the rationales of teacher and student by stay: on the note and on the labs."""

    cases: list[Case]
    teacher: Mapping[int, tuple[str | None, str | None]]
    student: Mapping[int, tuple[str | None, str | None]]

    def views(
        self,
        chosen: dict[str, Case | None],
        courses: Path,
        captions: Path,
        series: Path,
        ranges: tuple[Path, Path],
        terms: list[Path],
        scaled: bool,
        units: Mapping[str, str],
    ) -> dict[str, dict[str, Any] | None]:
        """Return what is shown of the chosen cases, by rule.

        `ranges` are the files of scales and fences, `units` those of the variables by name.
        """
        stays = [case.stay for case in chosen.values() if case]
        notes, sentences, measured = (
            _rows(table, path, stays) for table, path in ((COURSES, courses), (CAPTIONS, captions), (SERIES, series))
        )
        scales, fences = SCALES.read(ranges[0]).to_pylist(), FENCES.read(ranges[1]).to_pylist()
        words = [row for path in terms for row in TERMS.read(path).to_pylist()]
        found: dict[str, dict[str, Any] | None] = dict.fromkeys(chosen)
        for rule, case in chosen.items():
            if case is not None:
                stay = case.stay
                own = (self.teacher[stay], self.student[stay])
                texts = Texts(notes[stay]["text"], sentences[stay]["text"], *own)
                drawn = curves_of(measured[stay], scales, fences, scaled)
                found[rule] = view(case, texts, drawn, words, units)
        return found


def read_cases(
    predictions: Path, cases: Path, samples: Path, rationales: tuple[Path, Path], wordings: Path
) -> CaseFiles:
    """Read the cases on which rationales are compared; UserError for one that the student has no output for."""
    stays = CASES.read(cases)["stay_id"].to_pylist()
    columns = ("stay_id", "predicted", "true", "note_rationale", "lab_rationale")
    outputs = {row["stay_id"]: row for row in PREDICTIONS.read(predictions, columns).to_pylist()}
    patients = {r["stay_id"]: r["subject_id"] for r in SAMPLES.read(samples, ("stay_id", "subject_id")).to_pylist()}
    written = [_rows(RATIONALES, path, stays) for path in rationales]
    if lacking := sorted(set(stays) - outputs.keys()):
        raise UserError(
            f"{predictions}: no output for {len(lacking)} of {len(stays)} cases; delete the file and run again"
        )
    known = read_wordings(wordings)
    teacher = {stay: tuple(part.get(stay, {}).get("text") for part in written) for stay in stays}
    student = {stay: (outputs[stay]["note_rationale"], outputs[stay]["lab_rationale"]) for stay in stays}
    found = [
        make_case(
            stay,
            patients[stay],
            outputs[stay]["true"],
            outputs[stay]["predicted"],
            [text for text in teacher[stay] if text],
            known,
        )
        for stay in stays
    ]
    return CaseFiles(found, teacher, student)


def _rows(table: Table, path: Path, stays: list[int]) -> dict[int, dict[str, Any]]:
    """Rows of some stays, by stay."""
    read = table.read(path)
    chosen = read.filter(pc.is_in(read["stay_id"], pa.array(stays, pa.int64())))
    return {row["stay_id"]: row for row in chosen.to_pylist()}
