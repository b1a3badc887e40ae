"""Answer all questions of the discussion for one dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.config.discussion import DiscussionRows
from clinragen.evaluate.discussion.bias import Texts, bias
from clinragen.evaluate.discussion.resample import Patients
from clinragen.evaluate.discussion.scores import ALL, Row, differences, scores
from clinragen.evaluate.discussion.subgroups import groups_of, subgroups
from clinragen.schemas.discussion import DISCUSSION

SEARCH = "search for the names"
LEAKAGE_MEASURES = {
    "recall": "recall, all samples",
    "precision": "precision, all samples",
    "f1": "micro F1, all samples",
}


@dataclass(frozen=True)
class Data:
    """The data of one dataset; arrays follow the order of its test `stays`."""

    dataset: str
    stays: list[int]
    patients: Patients
    true: np.ndarray
    """Booleans [samples, phenotypes]."""
    rows: Mapping[str, Row]
    """Rows that answer a question, by name."""
    named: Row
    """Predictions made by searching the notes for the names of the phenotypes."""
    groups: pa.Table
    """GROUPS."""
    leakage: pa.Table
    """LEAKAGE."""
    teacher: Texts
    """The teacher's note rationales."""
    students: list[Texts]
    """Those of each run of the student."""


def answers(data: Data, rows: DiscussionRows) -> pa.Table:
    """Return every answer about a dataset (DISCUSSION); for a missing row, how to make it."""
    student = data.rows[rows.student]
    asked = [data.rows[rows.teacher]] if rows.teacher else []
    groups = groups_of(data.groups, data.stays, data.patients)
    answered = [
        *bias(data.true, data.teacher, data.students, rows.student, data.patients),
        *subgroups(data.true, [student, *asked], groups, data.patients),
        *_knowledge(data, rows),
        *_parity(data, rows),
        *_contamination(data, rows),
        *_leakage(data, student),
        *_missing(rows),
    ]
    named = [{"dataset": data.dataset} | row for row in answered]
    return pa.Table.from_pylist(named, schema=DISCUSSION.schema)


def _knowledge(data: Data, rows: DiscussionRows) -> list[dict[str, Any]]:
    """Return F1 with each vocabulary, and the difference from the student's own vocabulary."""
    answered: list[dict[str, Any]] = []
    for vocabulary, name in rows.vocabularies.items():
        row = data.rows[name]
        answered += scores("knowledge", data.true, row, data.patients, vocabulary)
        if name != rows.student:
            measure, other = f"{{}} minus {rows.student}", data.rows[rows.student]
            answered += differences("knowledge", data.true, row, other, data.patients, measure, vocabulary)
    return answered


def _parity(data: Data, rows: DiscussionRows) -> list[dict[str, Any]]:
    student = data.rows[rows.student]
    answered = scores("parity", data.true, student, data.patients)
    if rows.teacher:
        teacher = data.rows[rows.teacher]
        answered += scores("parity", data.true, teacher, data.patients)
        answered += differences("parity", data.true, student, teacher, data.patients, f"{{}} minus {teacher.name}")
    return answered


def _contamination(data: Data, rows: DiscussionRows) -> list[dict[str, Any]]:
    answered: list[dict[str, Any]] = []
    for without, with_list in rows.lists.items():
        plain, listed = data.rows[without], data.rows[with_list]
        answered += scores("contamination", data.true, plain, data.patients)
        answered += scores("contamination", data.true, listed, data.patients, "with the list")
        measure = "{} with the list minus without"
        changed = differences("contamination", data.true, listed, plain, data.patients, measure)
        answered += [row | {"model": without} for row in changed]
    return answered


def _leakage(data: Data, student: Row) -> list[dict[str, Any]]:
    """Return scores of the name search over all samples (LEAKAGE), and over the test split next to the student's."""
    micro = next(row for row in data.leakage.to_pylist() if row["phenotype"] == "micro")
    about = {"question": "leakage", "model": SEARCH, "group": ALL}
    answered = [about | {"measure": text, "value": micro[name]} for name, text in LEAKAGE_MEASURES.items()]
    answered += scores("leakage", data.true, data.named, data.patients)
    answered += scores("leakage", data.true, student, data.patients)
    answered += differences("leakage", data.true, student, data.named, data.patients, f"{{}} minus {SEARCH}")
    return answered


def _missing(rows: DiscussionRows) -> list[dict[str, Any]]:
    measures = {
        "knowledge": "micro F1",
        "contamination": "micro F1 with the list minus without",
        "parity": "micro F1 minus the teacher's",
    }
    return [
        {"question": m.question, "model": m.model, "group": m.group, "measure": measures[m.question]}
        | {"missing": m.remedy}
        for m in rows.missing
    ]
