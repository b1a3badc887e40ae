"""The page of Figure 7: cases with note, labs, and the rationales of teacher and student side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.evaluate.paper.case_choice import Case
from clinragen.evaluate.paper.case_view import (
    DISEASE,
    HEIGHT,
    TERM,
    WIDTH,
    Curve,
    curves,
    lab_marks,
    left_out,
    marked,
    path,
    shortened,
)
from clinragen.evaluate.planted import statements
from clinragen.evaluate.texts.lab_claims import LabWordings
from clinragen.pages.render import render


@dataclass(frozen=True)
class Texts:
    """The texts of a case: note, captions, and the rationales of teacher and student from the note and the labs."""

    note: str
    captions: str
    teacher: tuple[str | None, str | None]
    student: tuple[str | None, str | None]


def key_terms(terms: Iterable[dict[str, Any]], phenotypes: Iterable[str]) -> dict[str, str]:
    """Return marks for the key terms of some phenotypes, in all their forms; `terms` are rows of TERMS."""
    names = set(phenotypes)
    return {form: TERM for row in terms if row["phenotype"] in names for form in row["forms"]}


def curves_of(
    series: dict[str, Any], scales: list[dict[str, Any]], fences: list[dict[str, Any]], scaled: bool
) -> list[Curve]:
    """Return the curves of a row of SERIES in their units, given rows of SCALES and FENCES."""
    names = [row["variable"] for row in scales]
    shape = (series["steps"], len(names))
    values = np.array(series["values"], dtype=float).reshape(shape)
    if scaled:
        values = values * [row["std"] for row in scales] + [row["mean"] for row in scales]
    measured = np.array(series["measured"], dtype=bool).reshape(shape)
    return curves(values, measured, names, {row["variable"]: (row["low"], row["high"]) for row in fences})


def view(
    case: Case,
    texts: Texts,
    drawn: list[Curve],
    terms: list[dict[str, Any]],
    units: Mapping[str, str],
    lab_wordings: LabWordings,
) -> dict[str, Any]:
    """Return the facts for the page about one case: pieces of text with their marks, and curves.

    `terms` are rows of TERMS; `units` has the unit of each variable.
    """
    diseases = {name: DISEASE for name in case.true | case.predicted}
    named = key_terms(terms, case.true | case.predicted)
    stated = statements(texts.captions, list(units))
    sentences = [s if s.endswith(".") else f"{s}." for s in texts.captions.split(". ") if s]
    return {
        "note": marked(shortened(texts.note), named),
        "captions": [(s, "" if s.endswith("is normal all the time.") else "abnormal") for s in sentences],
        "authors": {
            name: {
                "note": marked(note or "", named | diseases),
                "lab": marked(lab or "", lab_marks(lab or "", stated, lab_wordings)),
                "left_out": left_out(lab or "", stated, lab_wordings),
            }
            for name, (note, lab) in (("teacher", texts.teacher), ("student", texts.student))
        },
        "right": sorted(case.true & case.predicted),
        "missed": sorted(case.true - case.predicted),
        "wrong": sorted(case.predicted - case.true),
        "not_by_teacher": sorted(case.missed_by_teacher),
        "curves": [c.__dict__ | {"path": path(c.points), "unit": units[c.variable]} for c in drawn],
    }


def cases_page(
    dataset: str,
    cases: dict[str, dict[str, Any] | None] | None,
    counts: pa.Table,
    number: int,
    stand_ins: list[str],
    restricted: str,
    proven_open: bool,
    templates: list[Path],
) -> str:
    """Return the cases (`view` by rule) as HTML; without `cases` only the rules, and how many cases fit each.

    `number` is the number of all cases, `restricted` the path of the page with the texts, which is linked if they are
    `proven_open`.
    """
    return render(
        "cases",
        templates,
        dataset=dataset,
        cases=cases,
        counts={row["rule"]: row["cases"] for row in counts.to_pylist()},
        number=number,
        stand_ins=stand_ins,
        restricted=restricted,
        proven_open=proven_open,
        width=WIDTH,
        height=HEIGHT,
    )
